"""Composing the config of each trial by Hydra, from what the server has done once for each choice of config groups.

What is remembered (:mod:`hyperherd.compat.composition`), by the server or by the sweep before it, every trial, being a
fork, finds in its memory as a copy of its own.
"""

from __future__ import annotations

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, open_dict

from hyperherd.compat.composition import composition
from hyperherd.launch.base import TrialJob


class Composer:
    """Composes the configs of trials; `prepare` is called in the server, `compose` in the trial's process."""

    def __init__(self, loader: ConfigLoader, config: DictConfig) -> None:
        self._composition = composition(loader)
        self._config = config

    def prepare(self, job: TrialJob) -> None:
        """Remember what other trials with the same config groups can start from; do nothing if that was done."""
        self._composition.prepare(self._config, job.overrides)

    def compose(self, job: TrialJob) -> DictConfig:
        """Return the config of a trial, exactly as Hydra composes it; called once in a process."""
        config = self._composition.compose_last(self._config, job.overrides)
        with open_dict(config):
            config.hydra.job.id = str(job.number)
            config.hydra.job.num = job.number
        return config
