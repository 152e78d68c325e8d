"""`trial.json`: what a trial says of itself, written by its running attempt and by nobody else."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from hyperherd.paths import FORMAT, TrialPaths
from hyperherd.records.files import read_json, replace_json
from hyperherd.records.states import FailureCause, TrialState


@dataclass(frozen=True)
class TrialError:
    """The exception that ended an attempt, as text: it comes from user code and is trusted by nobody."""

    type: str
    message: str
    traceback: str = ""


@dataclass(frozen=True)
class TrialRecord:
    """The content of `trial.json`; docs/format.md says what each field means."""

    number: int
    key: str
    name: str
    overrides: tuple[str, ...]
    params: dict[str, Any]
    attempt: int
    state: TrialState
    cause: FailureCause | None = None
    started: float | None = None
    ended: float | None = None
    heartbeat: float | None = None
    beats: int = 0
    host: str = ""
    pid: int | None = None
    pid_started: float | None = None
    job_id: str | None = None
    exit_code: int | None = None
    error: TrialError | None = None
    step: int | None = None
    max_step: int | None = None
    step_seconds: float | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    final: dict[str, Any] = field(default_factory=dict)
    objective: dict[str, Any] | None = None
    choices: dict[str, Any] = field(default_factory=dict)
    config_hash: str = ""
    versions: dict[str, Any] = field(default_factory=dict)

    def write(self, trial_dir: Path, *, durable: bool = True) -> None:
        """Replace the `trial.json` of `trial_dir`."""
        replace_json(TrialPaths(trial_dir).trial, {"format": FORMAT, **asdict(self)}, durable=durable)

    @classmethod
    def read(cls, trial_dir: Path) -> TrialRecord:
        """Read the `trial.json` of `trial_dir`.

        Raises:
            FileNotFoundError: there is none.
            FormatError: it is broken, or of a newer format; the message names the file.
        """
        path = TrialPaths(trial_dir).trial
        return cls.from_json(read_json(path), path)

    @classmethod
    def from_json(cls, raw: dict[str, Any], path: Path) -> TrialRecord:
        """Make a record from the JSON object that `path` holds, ignoring keys this version does not know."""
        from hyperherd.errors import FormatError

        values = {key: value for key, value in raw.items() if key in _FIELDS}
        try:
            values["state"] = TrialState(values["state"])
            values["cause"] = FailureCause(values["cause"]) if values.get("cause") else None
            values["overrides"] = tuple(values["overrides"])
            if error := values.get("error"):
                values["error"] = TrialError(error["type"], error["message"], error.get("traceback", ""))
            return cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{path} is no trial record: {error}") from None

    def with_(self, **changes: Any) -> TrialRecord:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


_FIELDS = frozenset(item.name for item in fields(TrialRecord))
