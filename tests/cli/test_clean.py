"""`herd-results clean`: what goes, what stays, and what is said about it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cli.test_main import pipe
from conftest import App
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.cli.main import main
from hyperherd.records.lock import SweepLock
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import read_planned, write_planned
from hyperherd.sweep.tidying.checkpoints import checkpoint_files
from hyperherd.sweep.tidying.removal import remove_file
from hyperherd.trial.checkpoint import newest_checkpoint

Clean = Callable[..., str]
MIB = b"x" * 2**20


def put(trial_dir: Path, *names: str) -> None:
    for name in names:
        path = trial_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(MIB)


def contents(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder but checkpoints of its trials."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def checkpoints(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.ckpt"))


@pytest.fixture
def swept(sweep: SweepBuilder) -> SweepBuilder:
    """Accuracies 0.1, 0.9, 0.5 and 0.9, a failed, a pruned, a cancelled and a running trial, one without a value."""
    for number, acc in enumerate((0.1, 0.9, 0.5)):
        sweep.trial({"val/acc": acc}, params={"lr": number})
    sweep.failed(params={"lr": 3})
    sweep.trial({"val/acc": 1.0}, params={"lr": 4}, state=TrialState.PRUNED)
    sweep.trial({"val/acc": 1.0}, params={"lr": 5}, state=TrialState.CANCELLED)
    sweep.running({"val/acc": 1.0}, params={"lr": 6})
    sweep.trial({"other": 1.0}, params={"lr": 7})
    for number in range(8):
        put(sweep.dir / str(number), "last.ckpt")
    return sweep


@pytest.fixture
def clean(capsys: pytest.CaptureFixture[str]) -> Clean:
    def cleaned(path: Path, *arguments: str, code: int = 0) -> str:
        assert main(["clean", str(path), *arguments]) == code
        done = capsys.readouterr()
        return done.out + done.err

    return cleaned


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["losers"], "1 3 4 5 6 7"),
        (["losers", "--keep", "2"], "1 2 3 4 5 6 7"),
        (["failed"], "0 1 2 4 5 6 7"),
        (["all-but-best"], "1 5 6 7"),
        (["all-but-best", "--keep", "3"], "0 1 2 5 6 7"),
        (["losers", "-m", "val/acc", "--direction", "min"], "0 3 4 5 6 7"),
    ],
)
def test_whose_checkpoints_go(swept: SweepBuilder, clean: Clean, arguments: list[str], left: str) -> None:
    before = contents(swept.dir)
    told = clean(swept.dir, "--checkpoints-of", *arguments)
    assert contents(swept.dir) == before
    gone = 8 - len(left.split())
    assert f"{gone} file{'s' * (gone != 1)} in {gone} folder{'s' * (gone != 1)}, 0.00 GiB, would be deleted:" in told
    assert "nothing was changed; --yes does it" in told
    told = clean(swept.dir, "--checkpoints-of", *arguments, "--yes")
    assert "was deleted" in told
    assert "--yes" not in told
    assert checkpoints(swept.dir) == [f"{number}/last.ckpt" for number in left.split()]
    assert {name: data for name, data in before.items() if not name.endswith(".ckpt")} == {
        name: data for name, data in contents(swept.dir).items() if not name.endswith(".ckpt")
    }
    assert len(load(swept.dir)) == 8


def test_what_is_kept_is_said(swept: SweepBuilder, clean: Clean, nobody: int) -> None:
    swept.trial({"val/acc": 0.9}, params={"lr": 8})
    swept.trial({"val/acc": 0.2}, params={"lr": 9})
    for number in (8, 9):
        put(swept.dir / str(number), "last.ckpt")
    os.chown(swept.dir / "9", nobody, -1)
    told = clean(swept.dir, "--checkpoints-of", "losers")
    assert "kept, tied with the best: trial 8\n" in told
    assert "kept, unranked: trial 7\n" in told
    assert "kept, of another user: trial 9\n" in told
    assert "kept, cancelled, and may go on from them: trial 5\n" in told
    assert "kept, running, and may go on from them: trial 6\n" in told
    assert "2 files in 2 folders" in told
    told = clean(swept.dir, "--checkpoints-of", "losers", "--yes", code=2)
    assert "belongs to nobody" in told
    assert "pass --shared" in told
    assert len(checkpoints(swept.dir)) == 10
    clean(swept.dir, "--checkpoints-of", "losers", "--yes", "--shared")
    assert "9/last.ckpt" in checkpoints(swept.dir)
    assert len(checkpoints(swept.dir)) == 8


def test_what_a_checkpoint_is(sweep: SweepBuilder, clean: Clean, tmp_path: Path) -> None:
    """The names of Lightning, transformers and torch, and what the trial's record names; never what is read."""
    sweep.trial({"val/acc": 0.9}, params={"lr": 0})
    sweep.trial(
        {"val/acc": 0.1},
        {"best_model_path": "out/net.bin", "path": "out/net.json", "ckpt": "/etc/passwd"},
        params={"lr": 1},
    )
    trial = sweep.dir / "1"
    gone = ["lightning_logs/version_0/checkpoints/epoch=1-step=9.ckpt", "deep.ckpt/rank0/w.bin", "model.pt", "a/b.pth"]
    gone += ["checkpoint-9/model.safetensors", "checkpoint-9/optimizer.pt", "checkpoint-9/vocab.json", "out/net.bin"]
    stay = ["metrics.parquet", "checkpoint-9/trainer_state.json", "lightning_logs/version_0/metrics.csv", "train.log"]
    stay += [
        "lightning_logs/version_0/events.out.tfevents.1.h",
        "out/net.json",
        ".hydra/config.yaml",
        "predictions.npy",
    ]
    stay += [".hyperherd/arrays/w.pt/1.npy", ".hyperherd/metrics/x.ckpt", "inner/.hydra/config.yaml", "inner/net.pt"]
    put(trial, *gone, *stay)
    put(tmp_path, "elsewhere/net.pt", "elsewhere/checkpoint-1/x")
    (trial / "linked.ckpt").symlink_to(tmp_path / "elsewhere/net.pt")
    (trial / "linked").symlink_to(tmp_path / "elsewhere")
    (trial / "checkpoint-1").symlink_to(tmp_path / "elsewhere/checkpoint-1")
    records = contents(trial / ".hyperherd")
    assert "8 files in 1 folder, 0.01 GiB" in clean(sweep.dir, "--checkpoints-of", "losers", "--yes")
    assert [name for name in gone if (trial / name).exists()] == []
    assert [name for name in stay if not (trial / name).exists()] == []
    assert contents(trial / ".hyperherd") == records
    assert sorted(path.name for path in (tmp_path / "elsewhere").rglob("*")) == ["checkpoint-1", "net.pt", "x"]
    assert not (trial / "deep.ckpt").exists()
    assert (trial / "linked.ckpt").is_symlink()
    assert newest_checkpoint(trial, ["checkpoint-9"]) is None


def test_hard_links_are_counted_once(sweep: SweepBuilder, clean: Clean) -> None:
    sweep.trial({"val/acc": 0.9}, params={"lr": 0})
    sweep.trial({"val/acc": 0.1}, params={"lr": 1})
    first, second = sweep.dir / "0", sweep.dir / "1"
    for name in ("a.ckpt", "b.ckpt"):
        with open(second / name, "wb") as stream:
            stream.truncate(3 * 2**30)
    os.link(second / "a.ckpt", second / "again.ckpt")
    os.link(second / "b.ckpt", first / "kept.ckpt")
    assert "3 files in 1 folder, 3.00 GiB" in clean(sweep.dir, "--checkpoints-of", "losers", "--yes")
    assert checkpoints(sweep.dir) == ["0/kept.ckpt"]


def test_a_sweep_that_runs_keeps_everything(swept: SweepBuilder, clean: Clean) -> None:
    lock = SweepLock(swept.dir)
    lock.take()
    told = clean(swept.dir, "--checkpoints-of", "losers", "--yes")
    assert "0 files in 0 folders" in told
    assert "kept, of a sweep that is running: trial 0, trial 2\n" in told
    assert len(checkpoints(swept.dir)) == 8
    lock.release()
    clean(swept.dir, "--checkpoints-of", "losers", "--yes")
    assert len(checkpoints(swept.dir)) == 6
    assert not (swept.dir / ".hyperherd/sweep.lock").exists()


def test_every_seed_of_the_best_keeps_its_own(sweep: SweepBuilder, clean: Clean) -> None:
    for lr, values in {0.1: (0.99, 0.5), 0.2: (0.8, 0.9)}.items():
        for seed, value in enumerate(values):
            put(sweep.dir / str(sweep.trial({"val/acc": value}, params={"lr": lr, "seed": seed}).number), "last.ckpt")
    clean(sweep.dir, "--checkpoints-of", "losers", "--yes")
    assert checkpoints(sweep.dir) == ["2/last.ckpt", "3/last.ckpt"]


@pytest.mark.parametrize("arguments", [["losers"], ["all-but-best", "--yes"]])
def test_nothing_goes_by_a_guess(plain: Path, tmp_path: Path, clean: Clean, arguments: list[str]) -> None:
    multirun = Path(shutil.copytree(plain / "multirun", tmp_path / "multirun"))
    told = clean(multirun, "--checkpoints-of", *arguments, code=2)
    assert "nothing is deleted by a guess" in told
    assert "pass -m val/acc if that decides" in told
    put(multirun / "s/0", "last.ckpt")
    told = clean(multirun, "--checkpoints-of", *arguments, "-m", "val/acc", "--direction", "min")
    assert "kept, written to within the last hour, so they may still run: trial 0\n" in told
    for path in (multirun / "s/0").rglob("*"):
        os.utime(path, (0, 0))
    told = clean(multirun, "--checkpoints-of", *arguments, "-m", "val/acc", "--direction", "min")
    assert "last.ckpt" in told
    assert (multirun / "s/0/last.ckpt").exists() == ("--yes" not in arguments)


def test_one_trial_of_a_sweep_that_runs_is_kept(swept: SweepBuilder, clean: Clean) -> None:
    lock = SweepLock(swept.dir)
    lock.take()
    told = clean(swept.dir / "3", "--checkpoints-of", "failed", "--yes")
    assert "kept, of a sweep that is running: trial 3\n" in told
    lock.release()
    clean(swept.dir / "3", "--checkpoints-of", "failed", "--yes")
    assert not (swept.dir / "3/last.ckpt").exists()


def test_what_was_replaced_meanwhile_stays(swept: SweepBuilder, tmp_path: Path) -> None:
    """The file must be the one that was found, on a way without links."""
    put(swept.dir / "0", "a/b.ckpt")
    (file,) = (file for file in checkpoint_files(swept.dir / "0", {}) if file.name == "a/b.ckpt")
    (swept.dir / "0/a").rename(tmp_path / "moved")
    (swept.dir / "0/a").symlink_to(tmp_path / "moved")
    with pytest.raises(NotADirectoryError):
        remove_file(swept.dir / "0", file)
    (swept.dir / "0/a").unlink()
    put(swept.dir / "0", "a/b.ckpt")
    with pytest.raises(OSError, match="has been replaced since it was found"):
        remove_file(swept.dir / "0", file)
    assert (tmp_path / "moved/b.ckpt").exists()


def test_records_that_everybody_can_write_do_not_decide(swept: SweepBuilder, clean: Clean) -> None:
    swept.file(1).chmod(0o666)
    told = clean(swept.dir, "--checkpoints-of", "losers", "--yes", code=2)
    assert f"everybody can write to {swept.file(1)}" in told
    assert len(checkpoints(swept.dir)) == 8
    clean(swept.dir, "--checkpoints-of", "losers", "--yes", "--shared")
    assert len(checkpoints(swept.dir)) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the arguments --checkpoints-of --trials --snapshots --trash is required"),
        (["--checkpoints-of", "losers", "--trash"], "not allowed with argument"),
        (["--checkpoints-of", "losers", "--keep", "0"], "at least one configuration keeps its checkpoints"),
    ],
)
def test_what_cannot_be_asked(
    sweep: SweepBuilder, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["clean", str(sweep.dir), *arguments])
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_orphans_go_to_the_trash_and_out_of_it(app: App, clean: Clean) -> None:
    sweep = app.sweep("lr=1,2,3")
    app.sweep("lr=choice(1)")
    assert [trial.orphan for trial in sweep.planned] == [False, True, True]
    put(sweep.dir / "1", "last.ckpt")
    told = clean(sweep.dir, "--trials", "orphaned")
    assert "in 2 folders" in told
    assert "would be moved to .hyperherd/trash" in told
    assert (sweep.dir / "1/last.ckpt").exists()
    clean(sweep.dir, "--trials", "orphaned", "--yes")
    assert not (sweep.dir / "1").exists()
    assert len(list((sweep.dir / ".hyperherd/trash").glob("*/1/last.ckpt"))) == 1
    assert [(trial.number, trial.state) for trial in load(sweep.dir)] == [(0, TrialState.COMPLETED)]
    assert "0 files in 0 folders" in clean(sweep.dir, "--trials", "orphaned")
    assert "in 1 folder" in clean(sweep.dir, "--trash")
    clean(sweep.dir, "--trash", "--yes")
    assert list((sweep.dir / ".hyperherd/trash").iterdir()) == []
    app.sweep("lr=1,2")  # what is planned again runs again, under its number
    assert [(trial.number, trial.state, trial.trashed) for trial in _planned(sweep.dir)] == [
        (0, "completed", False),
        (1, "completed", False),
    ]


class _Planned:
    def __init__(self, number: int | None, state: str, trashed: bool) -> None:
        self.number, self.state, self.trashed = number, state, trashed


def _planned(sweep_dir: Path) -> list[_Planned]:
    trashed = {trial.number: trial.trashed for trial in read_planned(sweep_dir)}
    return [_Planned(one.number, str(one.state), trashed[one.number or 0]) for one in load(sweep_dir)]


def test_orphans_that_stay(sweep: SweepBuilder, clean: Clean, tmp_path: Path, nobody: int) -> None:
    for number in range(4):
        sweep.trial({"val/acc": 0.5}, params={"lr": number})
    sweep.running(params={"lr": 4})
    os.chown(sweep.dir / "1", nobody, -1)
    (sweep.dir / "2").rename(tmp_path / "moved")
    (sweep.dir / "2").symlink_to(tmp_path / "moved")
    planned = [replace(trial, orphan=True) for trial in sweep.planned]
    planned[3] = replace(planned[3], dir="../../moved")
    write_planned(sweep.dir, planned)
    told = clean(sweep.dir, "--trials", "orphaned", "--yes")
    assert "kept, of another user: trial 1\n" in told
    assert "kept, outside of the sweep: trial 2, trial 3\n" in told
    assert "kept, running: trial 4\n" in told
    assert (tmp_path / "moved").exists()
    assert {path.name for path in sweep.dir.iterdir() if path.name.isdecimal()} == {"1", "2", "3", "4"}


def test_a_trash_that_is_a_link_stays(sweep: SweepBuilder, clean: Clean, tmp_path: Path) -> None:
    sweep.trial({"val/acc": 0.5})
    put(tmp_path, "elsewhere/x/y")
    (sweep.dir / ".hyperherd/trash").symlink_to(tmp_path / "elsewhere")
    assert "is a link that leaves" in clean(sweep.dir, "--trash", "--yes", code=2)
    (sweep.dir / ".hyperherd/trash").unlink()
    (sweep.dir / ".hyperherd/trash").mkdir()
    (sweep.dir / ".hyperherd/trash/x").symlink_to(tmp_path / "elsewhere")
    assert "kept, a link, or of another user" in clean(sweep.dir, "--trash", "--yes")
    assert (tmp_path / "elsewhere/x/y").exists()


def test_a_path_is_needed() -> None:
    assert pipe("clean", "--trash").returncode == 2


def test_a_configuration_with_unranked_seeds_keeps_its_checkpoints(sweep: SweepBuilder, clean: Clean) -> None:
    for lr, acc in ((1, 0.9), (2, 0.5), (3, 0.4)):
        sweep.trial({"val/acc": acc}, params={"lr": lr, "seed": 0})
    sweep.failed(params={"lr": 2, "seed": 1})
    for number in range(3):
        put(sweep.dir / str(number), "last.ckpt")
    told = clean(sweep.dir, "--checkpoints-of", "losers")
    assert "kept, unranked seeds in its configuration: trial 1\n" in told
    assert "1 file in 1 folder" in told
