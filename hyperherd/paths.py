"""Where every file of a sweep lies (docs/format.md), and where our configs are."""

from __future__ import annotations

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
    """The files of one sweep directory."""

    def __init__(self, sweep_dir: Path | str) -> None:
        self.root = Path(sweep_dir)
        self.records = self.root / RECORDS
        self.sweep = self.records / "sweep.json"
        self.trials = self.records / "trials.jsonl"
        self.events = self.records / "events"
        self.lock = self.records / "sweep.lock"
        self.requests = self.records / "requests"
        self.multirun = self.root / "multirun.yaml"


class TrialPaths:
    """The files of one trial directory."""

    def __init__(self, trial_dir: Path | str) -> None:
        self.root = Path(trial_dir)
        self.hydra = self.root / ".hydra"
        self.records = self.root / RECORDS
        self.trial = self.records / "trial.json"
        self.provenance = self.records / "provenance.json"
        self.summary = self.records / "summary.json"
        self.attempts = self.records / "attempts"
        self.logs = self.records / "logs"
        self.metrics = self.records / "metrics"
        self.parquet = self.root / METRICS_FILE

    def log(self, attempt: int, stream: str) -> Path:
        """Return the file that keeps what the attempt printed to `stream` (``out`` or ``err``)."""
        return self.logs / f"attempt-{attempt}.{stream}"
