from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path

import pytest
import starting
from results.builder import SweepBuilder, every_state
from waiting import PATIENCE

import hyperherd
from hyperherd.cli.command_names import COMMANDS
from hyperherd.cli.main import main
from hyperherd.escape import one_line
from hyperherd.metrics.writer import MetricWriter
from hyperherd.records.sweep import SweepRecord

HERD_RESULTS = [sys.executable, "-m", "hyperherd.cli"]
ESCAPE = "\x1b["


def environment(**changes: str) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
    }
    return {**inherited, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **changes}


def pipe(*arguments: object, cwd: Path | None = None, **changes: str) -> subprocess.CompletedProcess[str]:
    command = [*HERD_RESULTS, *map(str, arguments)]
    return starting.run(command, encoding="utf-8", cwd=cwd, env=environment(**changes))


def terminal(
    columns: int, *arguments: object, lines: int = 50, cwd: Path | None = None, code: int = 0, **changes: str
) -> str:
    """Run `herd-results` on a terminal of that size and return what appears there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = starting.start(
        [*HERD_RESULTS, *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env=environment(**changes),
    )
    os.close(theirs)
    output = b""
    try:
        while chunk := os.read(ours, 65536):
            output += chunk
    except OSError:  # Linux says so when the other end is closed.
        pass
    os.close(ours)
    assert process.wait(timeout=PATIENCE) == code, output
    return output.decode().replace("\r\n", "\n")


@pytest.fixture
def states(tmp_path: Path) -> Path:
    return every_state(tmp_path / "multirun" / "s").dir.parent


def test_a_terminal_gets_a_table_in_colour(states: Path) -> None:
    page = terminal(200, states, "--trials")
    assert f"{ESCAPE}32m✓{ESCAPE}0m     1  0.01     1    0.9871     0.01288      –  1m00s" in page
    assert "not shown" not in page


def test_a_narrow_terminal(states: Path) -> None:
    wide = SweepBuilder(states / "wide")
    wide.trial({"val/acc": 0.5, **{f"a_long_metric_{index}": 0.123456 for index in range(6)}}, params={"lr": 1})
    page = terminal(80, wide.dir, NO_COLOR="1")
    table = page.split("\n\n")[1].split("\n")
    assert max(map(len, table)) <= 80
    assert "a_long_metric_3" not in table[0]
    assert "(-a shows all)" in " ".join(table[2:])
    assert "a_long_metric_5" in terminal(80, wide.dir, "-a").split("\n\n")[1].split("\n")[0]


def _timeless(text: str) -> str:
    """Return a page without how long a trial has been silent, which grows between two calls."""
    return re.sub(r"\b(\d+m\d\ds|\d+ s)\b", "", text)


@pytest.mark.parametrize(
    "words",
    [["show", "1"], ["failures"], ["effects"], ["best"], ["diff", "1", "2"], ["curves", "val/acc"], ["-f", "table"]],
)
def test_colour_is_chosen_for_every_command(
    states: Path, words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        writer = MetricWriter(states / "s" / str(number), 0)
        writer.log({"val/acc": 0.5}, 0)
        writer.log({"val/acc": 0.9}, 1)
        writer.close()

    def page(*options: str, **variables: str) -> str:
        with monkeypatch.context() as changed:
            for name in ("NO_COLOR", "FORCE_COLOR"):
                changed.delenv(name, raising=False)
            for name, value in variables.items():
                changed.setenv(name, value)
            assert main([*words, str(states), *options]) == 0
        return capsys.readouterr().out

    assert ESCAPE not in page()
    coloured = page("--color", "always")
    assert _timeless(coloured) == _timeless(page(FORCE_COLOR="1"))
    assert ESCAPE in coloured or words[0] == "diff"
    assert ESCAPE not in page("--color", "never", FORCE_COLOR="1")
    assert ESCAPE not in page(FORCE_COLOR="1", NO_COLOR="1")


def test_what_is_listed_may_be_given_one_by_one(states: Path) -> None:
    assert pipe("-c", "lr", "-c", "state,number", states).stdout == pipe("-c", "lr,state,number", states).stdout
    assert pipe("--fail-on", "failed", "--fail-on", "pruned", states).returncode == 4


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_colour(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    page = capsys.readouterr().out
    assert "--color {auto,always,never}" in page
    assert main(["help", command]) == 0
    assert capsys.readouterr().out == page


def test_help_of_what_is_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "shwo"]) == 2
    assert "there is no command 'shwo' (did you mean 'show'?); herd-results help lists them" in capsys.readouterr().err
    assert main(["help"]) == 0
    page = capsys.readouterr().out
    assert all(f"  {name:<12}{told}\n" in page for name, told in COMMANDS.items())


def test_the_package_is_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hyperherd", "--version"], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout) == (0, f"herd-results {hyperherd.__version__}\n")


def test_a_folder_called_like_a_command(tmp_path: Path) -> None:
    SweepBuilder(tmp_path / "best").trial({"val/acc": 0.5})
    SweepBuilder(tmp_path / "multirun/s").trial({"val/acc": 0.7})
    (tmp_path / "logs/2026").mkdir(parents=True)
    done = pipe("best", cwd=tmp_path)
    note = "note: 'best' is taken for the command; for the trials in the folder of that name write ./best"
    assert (done.returncode, done.stderr) == (0, f"herd-results: {note}\n")
    assert "0.7" in done.stdout
    assert pipe("./best", cwd=tmp_path).stdout.splitlines()[1].split("\t")[-1] == "best/0"
    assert "note" not in pipe("logs", "0", cwd=tmp_path).stderr


def test_the_newest_sweep_is_shown_and_said(tmp_path: Path) -> None:
    for name, created in (("a", 2e9), ("b", 1e9)):
        sweep = SweepBuilder(tmp_path / "multirun" / name)
        sweep.trial({"val/acc": 0.5})
        replace(SweepRecord.read(sweep.dir), created=created).write(sweep.dir)
    done = pipe("show", "0", cwd=tmp_path)
    newest = tmp_path / "multirun/a"
    assert done.stderr == (
        f"herd-results: 2 sweeps have this trial; this is the one of the newest, {one_line(str(newest))}; "
        "the others: multirun/b/0\n"
    )
    assert "multirun/a/0" in done.stdout
    assert pipe("show", "0", "multirun/b", cwd=tmp_path).stderr == ""


@pytest.mark.parametrize("changes", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour(states: Path, changes: dict[str, str]) -> None:
    page = terminal(80, states, "--trials", **changes)
    assert ESCAPE not in page
    assert "✓     1  0.01" in page


def test_a_terminal_without_unicode(states: Path) -> None:
    page = terminal(80, states, "--trials", PYTHONIOENCODING="ascii", NO_COLOR="1")
    assert page.isascii()
    assert "+     1  0.01" in page
    assert "x 4  lr=0.3 seed=4  ValueError" in page


def test_a_short_terminal_shows_the_best(states: Path) -> None:
    many = SweepBuilder(states / "many")
    for number in range(40):
        many.trial({"val/acc": number / 100}, params={"lr": number})
    page = terminal(80, many.dir, lines=30, NO_COLOR="1")
    assert "... 22 more (-n 0 shows all)" in page
    assert page.index("✓    39") < page.index("✓    22")
    assert "best: trial 39" in page
    assert "more" not in terminal(80, many.dir, "-n", 0, lines=30)
    assert "... 37 more" in terminal(80, many.dir, "-n", 3, lines=30)


def test_a_pipe_gets_tsv(states: Path) -> None:
    done = pipe(cwd=states.parent)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split("\t") == ["number", "state", "lr", "seed", "train/loss", "val/acc", "dir"]
    assert lines[1].split("\t") == ["1", "completed", "0.01", "1", "0.012876600000000016", "0.9871234", "multirun/s/1"]
    assert len(lines) == 14


def test_a_pipe_without_unicode(tmp_path: Path) -> None:
    SweepBuilder(tmp_path / "s").trial({"précision": 0.5}, params={"é": "数"})
    done = pipe(tmp_path, "-a", PYTHONIOENCODING="ascii")
    assert done.stdout.splitlines()[0] == r"number	state	\xe9	pr\xe9cision	dir"
    assert json.loads(pipe(tmp_path, "-f", "json", PYTHONIOENCODING="ascii").stdout)["constant"] == {"é": "数"}


def test_formats_are_what_was_asked_for(states: Path) -> None:
    assert "same in all: epochs=50" in pipe(states, "-f", "table").stdout
    assert terminal(80, states, "-f", "tsv", "-n", 1).count("\n") == 2
    record = json.loads(pipe(states, "-f", "json", "-n", 2).stdout)
    assert [trial["number"] for trial in record["trials"]] == [1, 2]


def test_metric_and_direction(states: Path) -> None:
    assert pipe(states, "-m", "train/loss").stdout.splitlines()[1].startswith("1\t")
    assert pipe(states, "-m", "train/loss", "--direction", "max").stdout.splitlines()[1].startswith("0\t")
    assert pipe(states, "--direction", "min").stdout.splitlines()[1].startswith("0\t")
    assert "val/acc:max" in pipe(states, "-m", "val/acc:max").stdout.splitlines()[0]


def test_a_guess_is_said_on_stderr(plain: Path) -> None:
    done = pipe(plain / "multirun")
    note = "herd-results: ranked by val/acc, higher is better (guessed from its name; -m METRIC to change)\n"
    assert done.stderr == note
    assert len(done.stdout.splitlines()) == 7
    assert pipe(plain / "multirun", "-m", "val/acc").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 3, "error: nowhere does not exist"),
        (["shwo", "3"], 2, "error: shwo is neither a path nor a command (did you mean 'show'?)"),
        (["--trials", "best"], 2, "error: best is a command and must come first: herd-results best"),
        (["results"], 3, "error: results does not exist; give the folder of a sweep"),
        (["."], 3, "error: no sweep or trial found under .: no folder there has"),
        ([], 3, "error: multirun does not exist; give the folder of a sweep"),
        (["s", "-m", "val/ac"], 2, "error: no trial has a metric 'val/ac' (did you mean 'val/acc'?)"),
        (["s", "-m", "speed"], 2, "error: the direction of 'speed' is not known"),
        (["s", "-m", "\x1b[2J"], 2, r"error: no trial has a metric '\x1b[2J'"),
        (["s", "-n", "few"], 2, "argument -n: 'few' is not a number of trials"),
        (["s", "-f", "xls"], 2, "argument -f/--format: invalid choice: 'xls'"),
    ],
)
def test_errors(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    if "s" in arguments:
        SweepBuilder(tmp_path / "s").trial({"val/acc": 0.5, "speed": 1.0})
    done = pipe(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    if "argument" not in message:
        assert done.stderr.count("\n") == 1


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    for number in range(4):
        sweep.trial({"val/acc": 0.5}, {"text": "x" * 100_000}, params={"lr": number})
    process = subprocess.Popen(
        [*HERD_RESULTS, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        assert process.stdout.read(6) == "number"
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.wait(timeout=PATIENCE) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("form", ["tsv", "json", "parquet"])
def test_a_full_disk_is_one_line(states: Path, form: str) -> None:
    command = [*HERD_RESULTS, str(states), "-f", form]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, env=environment(), text=True, timeout=PATIENCE
        )
    assert done.returncode == 2
    assert done.stderr == "herd-results: error: cannot write to stdout: No space left on device\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams(plain: Path, closed: str) -> None:
    """The order of these trials is a guess, and the note on it must not get among the data."""
    command = f"{shlex.join([*HERD_RESULTS, str(plain)])} {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, env=environment(), text=True, timeout=PATIENCE)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "guessed" not in done.stdout


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"herd-results {hyperherd.__version__}\n"


def test_help_is_light() -> None:
    program = "import sys; from hyperherd.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    program += "print(*sorted(name.partition('.')[0] for name in sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert "herd-results -m val/acc:max" in done.stdout
    heavy = {"pyarrow", "hydra", "omegaconf", "numpy", "pandas", "yaml", "orjson", "antlr4", "submitit"}
    assert heavy.isdisjoint(done.stderr.split())


def test_a_table_of_our_own_trials_needs_no_arrow(states: Path) -> None:
    program = "import sys; from hyperherd.cli.main import main; main(sys.argv[1:])\n"
    program += "print(*sorted(name.partition('.')[0] for name in sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program, states], capture_output=True, text=True, timeout=PATIENCE)
    assert {"pyarrow", "hydra", "omegaconf", "numpy"}.isdisjoint(done.stderr.split())


def test_the_command_is_installed() -> None:
    from importlib.metadata import entry_points

    (entry,) = entry_points(group="console_scripts", name="herd-results")
    assert entry.load() is main
