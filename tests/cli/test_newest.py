"""Without a path people see the newest sweep and programs see all; `latest` names the newest one everywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli.test_main import pipe, terminal
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.cli.main import main
from hyperherd.errors import NothingFound
from hyperherd.records.disk.files import read_json, replace_json
from hyperherd.results.files.newest import resolved, sweeps_below


def started(sweep: SweepBuilder, when: float) -> Path:
    path = sweep.dir / ".hyperherd" / "sweep.json"
    replace_json(path, {**read_json(path), "created": when})
    return sweep.dir


def hydra_job(folder: Path, when: float) -> Path:
    """Write what Hydra alone leaves of a job."""
    records = folder / ".hydra"
    records.mkdir(parents=True)
    for name, text in (("overrides", "[]"), ("config", "{a: 1}"), ("hydra", "{hydra: {job: {name: app}}}")):
        (records / f"{name}.yaml").write_text(text)
    os.utime(records, (when, when))
    return folder


@pytest.fixture
def several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three sweeps, of which the second one is the newest: one of ours, and two of Hydra alone."""
    monkeypatch.chdir(tmp_path)
    for name, when, count in (("2026-01-01/a", 3e8, 2), ("2026-01-02/b", 9e8, 3)):
        sweep = SweepBuilder(tmp_path / "multirun" / name)
        for number in range(count):
            sweep.trial({"val/acc": 0.1 * number}, params={"lr": number})
        started(sweep, when)
    plain = tmp_path / "multirun" / "2026-01-03" / "c"
    hydra_job(plain / "0", 5e8)
    (plain / "multirun.yaml").write_text("hydra: {job: {name: app}}\n")
    os.utime(plain / "multirun.yaml", (5e8, 5e8))
    return tmp_path


NOTE = "herd-results: multirun/2026-01-02/b is the newest of 3 sweeps under multirun; --all takes all of them"


def test_the_newest_first(several: Path) -> None:
    assert [path.name for path in sweeps_below(Path("multirun"))] == ["b", "c", "a"]
    hydra_job(several / "multirun" / "optuna" / "1", 2e9)
    hydra_job(several / "multirun" / "optuna" / "0", 2e9)  # a sweep that leaves nothing else before it has ended
    assert sweeps_below(Path("multirun"))[0] == Path("multirun/optuna")
    hydra_job(several / "outputs" / "2026-01-01" / "10-00-00", 2e9)
    newest = hydra_job(several / "outputs" / "2026-01-01" / "11-00-00", 3e9)
    assert resolved("outputs/latest") == newest.relative_to(several)


def test_people_see_the_newest_and_programs_see_all(several: Path) -> None:
    page = terminal(100, cwd=several, NO_COLOR="1")
    assert page.startswith(NOTE)
    assert "b · train.py · 3 trials" in page
    assert "3 sweeps · 6 trials" in terminal(100, "--all", cwd=several, NO_COLOR="1")
    assert "a · train.py · 2 trials" in terminal(100, "multirun/2026-01-01", cwd=several, NO_COLOR="1")
    piped = pipe(cwd=several)
    assert len(piped.stdout.splitlines()) == 1 + 6
    assert len(load()) == 6


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["lr=1"], "b · train.py · 1 trial"),
        (["best"], "ranked by val/acc"),
        (["failures"], "failed"),
        (["show", "2"], "lr"),
        (["diff", "0", "1"], "val/acc"),
        (["watch", "-f", "table"], "b · train.py · 3 trials"),
    ],
)
def test_one_rule_for_whatever_reads(several: Path, command: list[str], shown: str) -> None:
    page = terminal(100, *command, cwd=several, NO_COLOR="1")
    assert NOTE in page.replace("\x1b[H", "\n")
    assert shown in page


def test_one_sweep_is_shown_without_a_word(tmp_path: Path) -> None:
    SweepBuilder(tmp_path / "multirun" / "s").trial({"val/acc": 0.5})
    assert "newest" not in terminal(100, cwd=tmp_path)


def test_what_changes_something_needs_a_path(several: Path) -> None:
    for command in ("cancel", "compact"):
        assert "required: PATH" in terminal(100, command, cwd=several, code=2)


def test_latest_is_a_path_everywhere(several: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def out(*arguments: str) -> str:
        assert main(arguments) == 0
        return capsys.readouterr().out

    assert {trial.sweep.name for trial in load("latest")} == {"b"}
    assert [trial.params["lr"] for trial in load("multirun/latest/2")] == [2]
    assert {trial.sweep.name for trial in load("latest", "multirun/2026-01-01/latest")} == {"a", "b"}
    assert len(out("latest").splitlines()) == 1 + 3
    assert out("latest", "lr=1").splitlines()[1].startswith("1\t")
    assert "trial 2" in out("best", "latest")
    assert '"lr": 2' in out("show", "latest", "2", "-f", "json") == out("show", "latest/2", "-f", "json")
    assert out("compact", "latest").startswith("wrote 0 rows of 3 trials")
    assert out("cancel", "multirun/latest") == "cancelled 0 trials\n"
    assert out("tag", "latest", "2", "good") == out("note", "latest/2", "the last") == ""
    assert out("latest", "tag=good").splitlines()[1].startswith("2\t")
    assert out("clean", "latest", "--checkpoints-of", "losers", "-m", "val/acc").startswith("0 files in 0 folders")


def test_what_is_called_latest_is_meant_first(several: Path) -> None:
    started(SweepBuilder(several / "latest"), 1e8)
    SweepBuilder(several / "multirun" / "latest").trial(params={"lr": 5})
    assert resolved("latest") == Path("latest")
    assert [trial.params["lr"] for trial in load("multirun/latest")] == [5]


def test_latest_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NothingFound, match="no sweep under multirun, so latest is not one"):
        load("latest")
    assert main(["show", "latest", "1"]) == 3
    assert "there is no sweep under multirun" in capsys.readouterr().err
