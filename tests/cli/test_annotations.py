"""Notes and tags that trials are given after the fact."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest
import starting
from cli.test_main import HERD_RESULTS, pipe
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.cli.main import main
from hyperherd.errors import ResultsError
from hyperherd.records.annotations import add_tag, read_tags, remove_tag

EVIL = "\x1b[2J\u202e"


@pytest.fixture
def swept(sweep: SweepBuilder, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep of three trials, in whose folder we are."""
    for number in range(3):
        sweep.trial({"val/acc": 0.1 * number}, params={"lr": number})
    monkeypatch.chdir(sweep.dir)
    return sweep.dir


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[list[str]]:
    assert main(list(arguments)) == 0
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def test_tags_are_a_column_and_a_filter(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "tag" not in shown(capsys, ".")[0]
    for words in (["0", "to check"], ["0", "baseline"], ["2", "baseline"]):
        assert main(["tag", ".", *words]) == 0
    header, *rows = shown(capsys, ".")
    tags = {row[0]: row[header.index("tag")] for row in rows}
    assert tags == {"0": "baseline, to check", "1": "", "2": "baseline"}
    assert [row[0] for row in shown(capsys, ".", "tag=baseline")[1:]] == ["2", "0"]
    assert [row[0] for row in shown(capsys, ".", "tag=to check,nothing")[1:]] == ["0"]
    assert [row[0] for row in shown(capsys, ".", "tag!=to check")[1:]] == ["2", "1"]
    assert [row[0] for row in shown(capsys, ".", "tag~^to")[1:]] == ["0"]
    assert [trial.number for trial in load(swept).filter(tag=["baseline"], lr=2)] == [2]
    assert main([".", "-f", "json"]) == 0
    records = json.loads(capsys.readouterr().out)["trials"]
    assert {record["number"]: record.get("tags") for record in records} == {
        0: ["baseline", "to check"],
        1: None,
        2: ["baseline"],
    }
    assert main(["show", "0"]) == 0
    assert "baseline, to check" in capsys.readouterr().out
    assert main(["tag", "--remove", ".", "0", "to check"]) == 0
    assert load(swept)[0].tags == ("baseline",)
    assert main(["tag", ".", "0", "baseline"]) == 0
    assert "trial 0 already has the tag 'baseline'" in capsys.readouterr().err
    assert main(["tag", "--remove", ".", "1", "baseline"]) == 0
    assert "trial 1 does not have the tag 'baseline'" in capsys.readouterr().err


def test_a_note_wins_over_the_sweeps(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (swept / "1/last.ckpt").write_bytes(b"")
    assert main(["note", "1/last.ckpt", "diverged early"]) == 0
    assert main(["note", ".", "1", "for the paper"]) == 0
    assert [trial.note for trial in load(swept)] == ["", "for the paper", ""]
    assert [row[0] for row in shown(capsys, ".", "note~paper")[1:]] == ["1"]
    assert main(["note", "--remove", ".", "1"]) == 0
    assert load(swept)[1].note == ""
    assert main(["note", "--remove", ".", "1"]) == 0
    assert "trial 1 has no note of its own" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tag", "0", "x"], "no path is given before the trial: '0' does not exist; give PATH TRIAL"),
        (["tag", ".", "0", "a,b"], "'a,b' is not a tag: 1 to 60 printable characters without a comma"),
        (["tag", ".", "0", EVIL], "is not a tag"),
        (["tag", ".", "0", " "], "is not a tag"),
        (["tag", ".", "9", "x"], "no trial 9 under ."),
        (["note", ".", "0", " "], "a note has 1 to 10,000 characters; --remove removes it"),
    ],
)
def test_what_is_refused(
    swept: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if arguments[1] != ".":
        monkeypatch.chdir(tmp_path)
    assert main(arguments) in (2, 3)
    assert message in capsys.readouterr().err
    assert not list(swept.glob("*/.hyperherd/tags/*"))


def test_many_write_at_once(swept: Path) -> None:
    """Each process gives its own tag, and one that all give; nothing is lost."""
    commands = [[*HERD_RESULTS, "tag", ".", "0", tag] for tag in ("a", "b", "same", "same")]
    processes = [starting.start(command, cwd=swept, stderr=subprocess.DEVNULL) for command in commands]
    assert [process.wait(timeout=120) for process in processes] == [0] * 4
    assert load(swept)[0].tags == ("a", "b", "same")
    won: list[bool] = []
    threads = [threading.Thread(target=lambda: won.append(add_tag(swept / "1", "x"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]
    assert (remove_tag(swept / "1", "x"), remove_tag(swept / "1", "x")) == (True, False)


def test_names_of_tags_are_kept(swept: Path) -> None:
    for tag in ("..", "a/b", "größe", "-x", "100%", "x" * 60):
        assert add_tag(swept / "0", tag)
    assert set(read_tags(swept / "0")) == {"..", "a/b", "größe", "-x", "100%", "x" * 60}
    assert {path.parent for path in swept.rglob("*") if path.name == "%2E%2E"} == {swept / "0/.hyperherd/tags"}


def test_links_and_folders_of_strangers(swept: Path, tmp_path: Path, nobody: int) -> None:
    (tmp_path / "elsewhere").mkdir()
    (swept / "0/.hyperherd/tags").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/planted").write_text("{}")
    assert load(swept)[0].tags == ()
    done = pipe("tag", ".", "0", "x", cwd=swept)
    assert (done.returncode, "is a link that leaves the sweep" in done.stderr) == (2, True)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["planted"]
    (swept / "1/.hyperherd/note.json").write_text('{"note": 3}')
    (swept / "1/.hyperherd/tags").mkdir()
    (swept / "1/.hyperherd/tags" / "a%1B%5B2J").write_text("")
    assert (load(swept)[1].note, load(swept)[1].tags) == ("", ())
    os.chown(swept / "2", nobody, -1)
    done = pipe("note", ".", "2", "mine", cwd=swept)
    assert (done.returncode, "belongs to another user; pass --shared" in done.stderr) == (2, True)
    assert pipe("note", "--shared", ".", "2", "ours", cwd=swept).returncode == 0
    assert load(swept)[2].note == "ours"


def test_a_trial_without_a_directory(sweep: SweepBuilder, capsys: pytest.CaptureFixture[str]) -> None:
    sweep.plan(lr=1)
    assert main(["tag", str(sweep.dir), "0", "x"]) == 2
    assert "trial 0 has no directory yet, so nothing can be noted there" in capsys.readouterr().err


def test_a_parameter_called_tag_stays_itself(sweep: SweepBuilder) -> None:
    for tag in ("a", "b"):
        sweep.trial({"val/acc": 0.5}, params={"tag": tag})
    add_tag(sweep.dir / "0", "x")
    trials = load(sweep.dir)
    assert [trial.number for trial in trials.filter("tag=b")] == [1]
    assert trials.table()["tag"].to_pylist() == ["a", "b"]


def test_a_tag_has_no_order(swept: Path) -> None:
    with pytest.raises(ResultsError, match="'tag>1': > compares numbers, and a tag is a text"):
        load(swept).filter("tag>1")
