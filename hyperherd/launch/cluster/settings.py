"""The options that all our cluster launchers share, read into plain data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from hyperherd.errors import SweepError


@dataclass(frozen=True)
class ClusterSettings:
    """How jobs are submitted and watched, on any cluster; the presets in conf/hydra/launcher explain the options.

    Attributes:
        folder: where scripts, pickles and the scheduler's logs go; may hold submitit's ``%j``.
        name: of the jobs.
        parallelism: how many jobs of the sweep run at once, whatever number of arrays they are in.
        wait: whether the sweep waits for its jobs.
        poll_s: seconds between two questions to the scheduler, once jobs have run for a while.
        max_array_size: jobs in one array; None for what the cluster allows.
        max_num_preempted: how often a job may go back into the queue for another reason than its time limit.
        workers: how many jobs of each kind run the trials, one after another; None for one job per trial.
        trials_per_worker: how many of them each runs side by side.
        trial_time_min: minutes that a trial takes, as far as the user knows.
    """

    folder: Path
    name: str
    parallelism: int
    wait: bool
    poll_s: float
    max_array_size: int | None
    max_num_preempted: int = 100
    workers: int | None = None
    trials_per_worker: int = 1
    trial_time_min: float | None = None


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SCRIPT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""Not valid in a line of shell; a setup of several lines, indented by tabs, is one text in YAML."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

_PLACEHOLDER = re.compile(r"%\w|[\\\x00-\x1f\x7f-\x9f]")
"""Replaced in the path of a job's log, by submitit, Slurm or LSF."""


def read_cluster_settings(
    launcher: str, options: Mapping[str, Any], sweep_dir: Path
) -> tuple[ClusterSettings, dict[str, Any]]:
    """Return what all clusters share, and the options that are left for one, as plain values without those unset.

    Args:
        launcher: its name, for messages.
        options: `hydra.launcher`.
        sweep_dir: absolute.

    Raises:
        SweepError: a value is not valid; the message names its key.
    """
    rest = {key: _plain(value) for key, value in options.items()}
    check_texts(rest)
    settings = ClusterSettings(
        folder=Path(str(rest.pop("submitit_folder"))).expanduser().absolute(),
        name=str(rest.pop("name")),
        parallelism=rest.pop("array_parallelism"),
        wait=rest.pop("wait"),
        poll_s=rest.pop("poll_s"),
        max_array_size=rest.pop("max_array_size"),
        max_num_preempted=rest.pop("max_num_preempted"),
        workers=rest.pop("workers", None),
        trials_per_worker=rest.pop("trials_per_worker", 1),
        trial_time_min=rest.pop("trial_time_min", None),
    )
    for key, value, least in (
        ("array_parallelism", settings.parallelism, 1),
        ("max_array_size", settings.max_array_size, 1),
        ("poll_s", settings.poll_s, 1),
        ("max_num_timeout", rest.get("max_num_timeout"), 0),
        ("max_num_preempted", settings.max_num_preempted, 0),
        ("timeout_min", rest.get("timeout_min"), 1),
        ("workers", settings.workers, 1),
        ("trials_per_worker", settings.trials_per_worker, 1),
        ("trial_time_min", settings.trial_time_min, 0),
    ):
        if value is not None and value < least:
            raise SweepError(f"hydra.launcher.{key}: {value} is not a number from {least} up")
    for given in (sweep_dir, Path.cwd()):  # a submitit_folder of its own may hold %j
        if settings.folder.is_relative_to(given) and (found := _PLACEHOLDER.search(str(given))):
            raise SweepError(
                f"hydra.launcher.submitit_folder: {launcher} would replace {found[0]!r} in {given} when it writes the "
                "logs of jobs; choose another hydra.sweep.dir, or a submitit_folder elsewhere"
            )
    return settings, {key: value for key, value in rest.items() if value is not None}


def check_texts(options: Mapping[str, Any]) -> None:
    """Check that every name and value of `hydra.launcher` is safe in a script that a scheduler reads.

    A line break in a value begins a new line of the script, which the scheduler or the shell then obeys.

    Raises:
        SweepError: one of them is not; the message names its key.
    """
    for name in options.get("env") or {}:
        if not _VARIABLE.fullmatch(str(name)):
            raise SweepError(f"hydra.launcher.env: {name!r} is not a valid name of an environment variable")
    for name in options.get("additional_parameters") or {}:
        if not _OPTION.fullmatch(str(name)):
            raise SweepError(f"hydra.launcher.additional_parameters: {name!r} is not a valid name of an option")
    for key, value in options.items():
        forbidden = _SCRIPT if key in ("setup", "teardown") else _CONTROL
        for text in _texts(value):
            if found := forbidden.search(text):
                raise SweepError(
                    f"hydra.launcher.{key}: {text!r} contains the control character {found[0]!r}, which the script of "
                    "a job cannot contain; remove it"
                )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield str(name)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
