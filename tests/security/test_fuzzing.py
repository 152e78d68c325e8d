"""Every command over some hundred broken or hostile records: an answer or an error, soon, and nothing else touched."""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from security.hostile import copy_sweep, elapsed, mutate, record_files, snapshot, write_sweep

from hyperherd.cli.command_names import COMMANDS
from hyperherd.cli.main import main

MUTATIONS = 80
SECONDS = 5.0
_MEMORY = 3 << 30
"""Bytes that a command may ask for beyond what the process has: a file of some kilobytes needs a fraction."""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sweep(tmp_path_factory.mktemp("fuzzed") / "s")


@pytest.fixture
def bounded() -> Iterator[None]:
    """A bound on memory, so that what eats it all fails here and not for everybody on this machine."""
    pytest.importorskip("duckdb")
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def commands(sweep: Path, out: Path, number: int) -> list[list[str]]:
    """Return one way to call each command, all of which look at all files of one trial between them."""
    trial = str(sweep / str(number))
    return [
        [str(sweep)],
        [str(sweep), "-f", "json"],
        [str(sweep), "-f", "csv", "-c", "state,reason,note,config.model.width,val/acc:mean:2"],
        [str(sweep), "lr>0", "--seeds"],
        ["show", trial],
        ["show", trial, "-f", "json"],
        ["best", str(sweep), "-m", "val/acc", "--direction", "max"],
        ["failures", str(sweep), "-f", "json"],
        ["effects", str(sweep)],
        ["diff", trial, str(sweep / "1")],
        ["compare", str(sweep), str(sweep), "-m", "val/acc"],
        ["compare", str(sweep), "lr=0.1", "lr=0.01", "-f", "json"],
        ["logs", trial],
        ["watch", str(sweep)],
        ["sql", "select * from trials, configs, metrics limit 5", str(sweep)],
        ["export", str(sweep), "-o", str(out), "-f", "csv"],
        ["export", str(sweep), "--to", "jsonl", "-o", str(out)],
        ["export", str(sweep), "--to", "tensorboard", "-o", str(out)],
        ["import", str(sweep / ".hyperherd" / "trials.jsonl"), trial],
        ["curves", "val/acc", str(sweep)],
        ["report", str(sweep), "-o", f"{out}.html"],
        ["note", str(sweep), "0", "a note"],
        ["tag", str(sweep), "0", "a tag"],
        ["tag", "--remove", str(sweep), "0", "another"],
        ["clean", str(sweep), "--checkpoints-of", "all-but-best", "--yes", "--shared"],
        ["clean", str(sweep), "--trials", "orphaned", "--yes", "--shared"],
        ["clean", str(sweep), "--trash", "--yes", "--shared"],
        ["guide"],
        ["help"],
        ["completion", "bash"],
        ["compact", str(sweep), "--delete"],
        ["prune", str(sweep), "0-5"],
        ["stop", str(sweep)],
        ["continue", str(sweep), "0,1,2"],
        ["cancel", str(sweep)],
        ["work", str(sweep), "--script", str(sweep / "nothing.py")],
    ]


def test_every_command_is_fuzzed(tmp_path: Path) -> None:
    called = {argv[0] for argv in commands(tmp_path, tmp_path, 0)}
    assert set(COMMANDS) - called == set()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.filterwarnings(r"ignore:trial \S+ metrics left out")
@pytest.mark.usefixtures("bounded")
def test_no_traceback_no_hang_nothing_else_touched(
    seed: int, sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(time, "sleep", _interrupt)  # Who waits for an end is interrupted, as by Ctrl-C.
    beside = sweep.parent
    before = snapshot(beside)
    for number in range(MUTATIONS):
        copy = copy_sweep(sweep, tmp_path / f"copy{number}")
        path = rng.choice(record_files(copy))
        what = f"mutation {number} ({mutate(path, rng)} of {path.relative_to(copy)})"
        argv = commands(copy, tmp_path / f"out{number}", rng.randrange(7))
        for command in rng.sample(argv, 2):
            since = time.process_time()
            code = _run(command, what)
            assert code in (0, 1, 2, 3, 4, 130), f"{what}: {command} exits with {code}"
            assert elapsed(since) < SECONDS, f"{what}: {command} took {elapsed(since):.1f} s"
            assert "Traceback" not in capsys.readouterr().err.replace("Traceback ...", ""), f"{what}: {command}"
    assert snapshot(beside) == before
    assert all(path.name.startswith(("copy", "out")) for path in tmp_path.iterdir())


def _run(command: list[str], what: str) -> int:
    try:
        return main(command)
    except SystemExit as error:
        return int(error.code or 0)
    except BaseException as error:
        raise AssertionError(f"{what}: {command} ends in {type(error).__name__}: {error}") from error


def _interrupt(seconds: float) -> None:
    raise KeyboardInterrupt
