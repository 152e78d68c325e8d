"""`herd-results clean`: what would go, and making it go. Nothing goes of a sweep that runs, or of another user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hyperherd.errors import SweepError
from hyperherd.paths import SweepPaths
from hyperherd.records.disk.ownership import check_trusted, sweep_files, trial_files
from hyperherd.records.lock import SweepLock, is_held
from hyperherd.records.places import stays_in
from hyperherd.results.api import Trials, load
from hyperherd.results.trials.trial import Trial
from hyperherd.sweep.tidying.checkpoints import StoredFile, checkpoint_files, freed_bytes
from hyperherd.sweep.tidying.choice import choose
from hyperherd.sweep.tidying.removal import remove_file

SHARED = "--shared"
RUNNING = "of a sweep that is running"


@dataclass(frozen=True)
class Item:
    """What would go, or has gone, of one trial or of the trash of one sweep."""

    folder: Path
    files: tuple[StoredFile, ...]

    @property
    def bytes(self) -> int:
        """How much room that frees by itself."""
        return freed_bytes(self.files)


@dataclass
class Cleaning:
    """What would go, or has gone."""

    items: list[Item] = field(default_factory=list)
    kept: dict[str, list[str]] = field(default_factory=dict)
    """Reason -> what was asked about and stays."""
    failed: bool = False
    """Whether something was to be deleted, and could not be."""

    @property
    def bytes(self) -> int:
        """How much room that frees."""
        return freed_bytes(file for item in self.items for file in item.files)

    def keep(self, reason: str, what: str) -> None:
        """Note that something stays."""
        self.kept.setdefault(reason, []).append(what)


def clean_checkpoints(
    path: Path,
    wanted: str,
    keep: int,
    *,
    metric: str | None = None,
    direction: str | None = None,
    act: bool,
    shared: bool = False,
) -> Cleaning:
    """Delete checkpoints of the trials under a path; metrics and records stay.

    Args:
        path: a sweep, or a folder above several.
        wanted: see :func:`~hyperherd.sweep.tidying.choice.choose`.
        keep: how many of the best configurations keep theirs.
        metric: what decides which are the best; None: the sweep's objective.
        direction: ``max`` or ``min``.
        act: whether to delete them, or only to return what would be deleted.
        shared: whether folders count that somebody else could have written.

    Raises:
        NothingFound: there is no trial.
        ResultsError: the trials cannot be ranked.
        NotTrusted: somebody else could have written what decides.
    """
    # Read once to know which sweeps there are, and again when none of them can change any more.
    sweep_dirs = dict.fromkeys(trial.sweep.dir for trial in load(path))
    with locked(sweep_dirs, act=act) as running:
        trials = load(path).judged_by(metric, direction)
        reasons = {sweep: RUNNING for sweep in trials.sweeps if sweep.dir in running}
        choice = choose(trials, wanted, keep, reasons)
        done = Cleaning()
        for reason, kept in choice.kept.items():
            for trial in kept:
                if trial.dir is not None and checkpoint_files(trial.dir, trial.final):
                    done.keep(reason, _name(trial, trials))
        if act and not shared:
            _check_trust(trials)
        for trial in choice.doomed:
            _clean_trial(trial, trials, done, act=act)
    return done


def _clean_trial(trial: Trial, trials: Trials, done: Cleaning, *, act: bool) -> None:
    assert trial.dir is not None
    if trial.dir.is_symlink() or not stays_in(trial.dir, trial.sweep.dir):
        done.keep("outside of the sweep", _name(trial, trials))
        return
    gone = []
    for file in checkpoint_files(trial.dir, trial.final):
        try:
            if act:
                remove_file(trial.dir, file)
            gone.append(file)
        except OSError as error:
            done.failed = True
            done.keep(f"not deleted: {error.strerror or error}", str(trial.dir / file.name))
    if gone:
        done.items.append(Item(trial.dir, tuple(gone)))


def _name(trial: Trial, trials: Trials) -> str:
    return f"trial {trial.label}" if len(trials.sweeps) == 1 else str(trial.dir or trial.label)


def _check_trust(trials: Trials) -> None:
    """Check that nobody else could have written what says which trials are the best."""
    for sweep in trials.sweeps:
        check_trusted(sweep_files(sweep.dir), SHARED)
    check_trusted((path for trial in trials if trial.dir for path in trial_files(trial.dir)), SHARED)


@contextmanager
def locked(sweep_dirs: Iterable[Path], *, act: bool) -> Iterator[set[Path]]:
    """Keep sweeps from starting while files go, and give those that run already."""
    running = set()
    with ExitStack() as stack:
        for sweep_dir in sweep_dirs:
            lock = SweepLock(sweep_dir)
            if is_held(sweep_dir):
                running.add(sweep_dir)
            elif act and SweepPaths(sweep_dir).sweep.exists():  # Hydra's own sweeps know no lock
                try:
                    lock.take()
                except SweepError:  # it has begun since
                    running.add(sweep_dir)
                else:
                    stack.callback(lock.release)
        yield running
