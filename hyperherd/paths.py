"""Where every file of a sweep lies (docs/format.md), and where our configs are."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

FORMAT = 1
"""Version of the files on disk; a greater one is refused by name."""

RECORDS = ".hyperherd"
METRICS_FILE = "metrics.parquet"


def conf_dir() -> Path:
    """Return the folder of our Hydra configs: inside the package in a wheel, at the root in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


class SweepPaths:
    """The files of one sweep directory; each path is made when it is asked for: there may be 10,000 objects."""

    def __init__(self, sweep_dir: Path | str) -> None:
        self.root = Path(sweep_dir)

    @cached_property
    def records(self) -> Path:
        """The folder of HyperHerd's records."""
        return self.root / RECORDS

    @property
    def sweep(self) -> Path:
        """What was asked for."""
        return self.records / "sweep.json"

    @property
    def trials(self) -> Path:
        """The planned trials."""
        return self.records / "trials.jsonl"

    @property
    def events(self) -> Path:
        """The folder of what was done to the trials."""
        return self.records / "events"

    @property
    def lock(self) -> Path:
        """Who is running the sweep now."""
        return self.records / "sweep.lock"

    @property
    def requests(self) -> Path:
        """The folder of what others ask of the running sweep."""
        return self.records / "requests"

    @property
    def notified(self) -> Path:
        """Of what the sweep has notified people."""
        return self.records / "notified.jsonl"

    @property
    def workers(self) -> Path:
        """The folder of the queue and the ledgers of workers."""
        return self.records / "workers"

    @property
    def rungs(self) -> Path:
        """The folder of what trials have shown at the rungs of a pruner."""
        return self.records / "rungs"

    @property
    def trash(self) -> Path:
        """The folder of trials that were moved out of the way."""
        return self.records / "trash"

    @property
    def diffs(self) -> Path:
        """The folder of what checkouts had changed against their commits."""
        return self.records / "diffs"

    @property
    def snapshots(self) -> Path:
        """The folder of copies of the project, from which trials run."""
        return self.records / "snapshots"

    @property
    def index(self) -> Path:
        """What reading the trials again would find."""
        return self.records / "index.bin"

    @property
    def multirun(self) -> Path:
        """Hydra's config of the sweep."""
        return self.root / "multirun.yaml"


class TrialPaths:
    """The files of one trial directory; each path is made when it is asked for."""

    def __init__(self, trial_dir: Path | str) -> None:
        self.root = Path(trial_dir)

    @cached_property
    def hydra(self) -> Path:
        """What Hydra composed."""
        return self.root / ".hydra"

    @cached_property
    def records(self) -> Path:
        """The folder of HyperHerd's records."""
        return self.root / RECORDS

    @property
    def ranks(self) -> Path:
        """What further ranks of a distributed trial have logged, a folder each; no reader looks there."""
        return self.records / "ranks"

    @property
    def trial(self) -> Path:
        """State and summary."""
        return self.records / "trial.json"

    @property
    def config(self) -> Path:
        """The config it ran with, resolved."""
        return self.records / "config.json"

    @property
    def provenance(self) -> Path:
        """Code and environment."""
        return self.records / "provenance.json"

    @property
    def noted(self) -> Path:
        """What a process that the trial started has noted about the training that it does."""
        return self.records / "noted.json"

    @property
    def summary(self) -> Path:
        """Final values."""
        return self.records / "summary.json"

    @property
    def rungs(self) -> Path:
        """What was decided about it at the rungs of a pruner."""
        return self.records / "rungs.jsonl"

    @property
    def note(self) -> Path:
        """What somebody noted about it after the fact."""
        return self.records / "note.json"

    @property
    def tags(self) -> Path:
        """The folder of tags that it was given after the fact."""
        return self.records / "tags"

    @property
    def alerts(self) -> Path:
        """The folder of what it wanted people to know."""
        return self.records / "alerts"

    @property
    def attempts(self) -> Path:
        """The folder of who claimed which attempt."""
        return self.records / "attempts"

    @property
    def logs(self) -> Path:
        """The folder of what the trial printed."""
        return self.records / "logs"

    @cached_property
    def metrics(self) -> Path:
        """The folder of journals and parts."""
        return self.records / "metrics"

    @property
    def parquet(self) -> Path:
        """The metric rows of a trial that has ended."""
        return self.root / METRICS_FILE

    def log(self, attempt: int, stream: str) -> Path:
        """Return the file that keeps what the attempt printed to `stream` (``out`` or ``err``)."""
        return self.logs / f"attempt-{attempt}.{stream}"
