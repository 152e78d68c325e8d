"""The Hydra side of a sweep: what Hydra handed to the sweeper, and the few things the sweep asks of it."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import configure_log
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.plugins.launcher import Launcher
    from hydra.types import HydraContext, TaskFunction

_HYDRA_ALWAYS_ENDS_MULTIRUN = tuple(int(part) for part in hydra.__version__.split(".")[:2]) >= (1, 4)
"""Hydra 1.3 calls `on_multirun_end` only after a sweep that returned."""


@dataclass(frozen=True)
class HydraApp:
    """A Hydra app about to sweep: its context, its task function, and its config with the fixed overrides applied."""

    context: HydraContext
    task_function: TaskFunction
    config: DictConfig

    @property
    def loader(self) -> ConfigLoader:
        """What composes configs and knows the options of config groups."""
        return self.context.config_loader

    @property
    def script(self) -> str:
        """Absolute path of the running script."""
        return str(Path(sys.argv[0]).absolute())

    @property
    def sweep_dir(self) -> Path:
        """`hydra.sweep.dir`, absolute."""
        return Path(str(self.config.hydra.sweep.dir)).absolute()

    @property
    def sweep_dir_is_timestamped(self) -> bool:
        """Whether `hydra.sweep.dir` is made from the time: then a directory that exists already is a clash."""
        return "${now:" in str(OmegaConf.to_container(self.config.hydra.sweep, resolve=False))

    def compose(self, overrides: Sequence[str], number: int, job_id: str) -> DictConfig:
        """Compose the config of one job, exactly as a launcher would."""
        config = self.loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.num = number
            config.hydra.job.id = job_id
        return config

    def launcher(self, task_function: TaskFunction, sweep_dir: Path) -> Launcher:
        """Return the launcher the config asks for, set up to run `task_function` below `sweep_dir`."""
        from hydra.core.plugins import Plugins

        config = copy.deepcopy(self.config)
        with read_write(config.hydra):
            config.hydra.sweep.dir = str(sweep_dir)
        return Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=task_function, config=config
        )

    def restore_logging(self) -> None:
        """Log as a sweep does, after a job that was interrupted before Hydra could."""
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)

    def end_multirun(self) -> None:
        """Call the users' `on_multirun_end` callbacks, for a sweep that will not return to Hydra."""
        if _HYDRA_ALWAYS_ENDS_MULTIRUN:
            return
        self.context.callbacks.on_multirun_end(config=self.config, config_name=self.config.hydra.job.config_name)


@contextmanager
def hydra_config(config: DictConfig) -> Iterator[None]:
    """Make `config` the one that ``${hydra:...}`` reads while the block runs."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().cfg = config  # type: ignore[assignment]
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before
