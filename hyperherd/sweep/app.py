"""The Hydra side of a sweep: what Hydra handed to the sweeper, and the few things the sweep asks of it."""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobRuntime, configure_log, run_job
from hydra.errors import HydraException
from hydra.types import RunMode
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from hyperherd.compat.composition import composition
from hyperherd.compat.hydra import Callbacks, Hydra, create_config_search_path, get_args_parser, set_version_base
from hyperherd.launch.options import own_options
from hyperherd.masking import masked_words
from hyperherd.records.identity import base_hash
from hyperherd.records.job_ids import batch_label
from hyperherd.sweep.hydra_hooks import check_resolvable

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.plugins.launcher import Launcher
    from hydra.types import HydraContext, TaskFunction

_OURS = "hydra/sweeper=herd"
_BY_HYDRA = "hydra.mode=MULTIRUN"
_KERNELS = ("ipykernel_launcher.py", "colab_kernel_launcher.py", "ipython", "ipython3")
_FROM_PYTHON = "call the function that started the sweep with the overrides of the trial, and without multirun"
_HYDRA_VERSION = tuple(int(part) for part in hydra.__version__.split(".")[:2])


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
        written: Any = OmegaConf.to_container(self.config.hydra.sweep, resolve=False)
        return "${now:" in written["dir"]

    @property
    def job_label(self) -> str:
        """What the names of its scheduler jobs begin with: the launcher's `name`, else Hydra's of the job."""
        name = str(self.config.hydra.launcher.get("name") or self.config.hydra.job.name)
        return batch_label(name)

    @property
    def hydra_overrides(self) -> list[str]:
        """The overrides of `hydra.*` on the command line, as written."""
        written: Any = OmegaConf.to_container(self.config.hydra.overrides, resolve=False)
        return list(written["hydra"])

    @property
    def uses_job_number(self) -> bool:
        """Whether the app's config refers to Hydra's number or id of the job."""
        text = OmegaConf.to_yaml(
            OmegaConf.masked_copy(self.config, [str(key) for key in self.config if key != "hydra"])
        )
        return any(name in text for name in ("hydra:job.num", "hydra:job.id", "hydra.job.num", "hydra.job.id"))

    @property
    def command(self) -> list[str]:
        """What to type to run the app alone, before its overrides: the script or module, and which config it reads."""
        return [*self._started, *_taken_by_script(), *self._config_flags]

    @property
    def _started(self) -> list[str]:
        spec = getattr(sys.modules.get("__main__"), "__spec__", None)
        return ["python", *(["-m", str(spec.name).removesuffix(".__main__")] if spec is not None else [self.script])]

    @property
    def _config_flags(self) -> list[str]:
        flags, _ = get_args_parser().parse_known_args(sys.argv[1:])
        chosen = {name: getattr(flags, name, None) for name in ("config_name", "config_path", "config_dir")}
        return [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items() if value]

    @property
    def run_once(self) -> list[str]:
        """The overrides without which the app would sweep although nobody typed ``-m``: its config may say so."""
        return ["hydra.mode=RUN"] if self._sweeps_by_itself else []

    @property
    def _sweeps_by_itself(self) -> bool:
        given: Any = OmegaConf.to_container(self.config.hydra.overrides, resolve=False)
        typed = [text for text in given["hydra"] if text.startswith("hydra.mode=")]
        if not typed:
            return True
        if typed == [_BY_HYDRA] and _BY_HYDRA not in sys.argv[1:] and _is_hydra_main_above():
            return False  # Hydra has added it to the command line, which it does where the app would not sweep
        rest = [text for text in (*given["hydra"], *given["task"]) if text not in typed]
        name = self.config.hydra.job.config_name
        try:
            # As for a sweep, because overrides may have several values.
            config = self.loader.load_configuration(
                config_name=name, overrides=rest, run_mode=RunMode.MULTIRUN, validate_sweep_overrides=False
            )
        except (HydraException, OmegaConfBaseException):
            return False
        return bool(config.hydra.mode is RunMode.MULTIRUN)

    @property
    def no_command(self) -> str | None:
        """Why no command runs one trial of the app, and what to do instead; None if there is one."""
        started = Path(sys.argv[0]).name
        file = getattr(sys.modules.get("__main__"), "__file__", None)
        has_file = file is not None and Path(file).exists()  # that of standard input is "<stdin>"
        if started in _KERNELS or not (has_file or started.endswith(".py")):
            return f"it was started from a notebook or an interpreter; {_FROM_PYTHON}"
        overrides: Any = OmegaConf.to_container(self.config.hydra.overrides, resolve=False)
        typed = {text for text in (*overrides["hydra"], *overrides["task"]) if not text.startswith("hydra.mode=")}
        # A script of its own kind may hand its command line on to Hydra.
        if _is_hydra_main_above() or (typed and typed.issubset(sys.argv[1:])):
            return None
        return f"{started} does not read its command line; {_FROM_PYTHON}"

    @functools.cached_property
    def repository(self) -> Any:
        """What Hydra asks, when it composes a job, which groups and configs there are."""
        overrides: Any = OmegaConf.to_container(self.config.hydra.overrides.hydra)
        return composition(self.loader).repository(self.config.hydra.job.config_name, overrides)

    def is_group(self, name: str) -> bool:
        """Return whether the app has a config group of this name."""
        return "." not in name and bool(self.repository.get_group_options(name))

    def without_aliases(self, text: str) -> str:
        """Return an override with what `hydra.aliases` (Hydra 1.4) means; on the command line Hydra has done so."""
        if _HYDRA_VERSION < (1, 4):
            return text
        expanded: str = self._aliases.expand(text)
        return expanded

    def key_without_alias(self, key: str) -> str:
        """Return what a key means by `hydra.aliases`, prefix and all; an alias of a whole override is not a key."""
        return self.without_aliases(f"{key}=").removesuffix("=")

    @functools.cached_property
    def _aliases(self) -> Any:
        loader: Any = self.loader
        return loader.get_override_aliases(self.config.hydra.job.config_name)  # which reads the primary config

    def compose(self, overrides: Sequence[str], number: int, job_id: str) -> DictConfig:
        """Compose the config of one job, exactly as a launcher would."""
        config = composition(self.loader).compose(self.config, overrides)
        with open_dict(config):
            config.hydra.job.num = number
            config.hydra.job.id = job_id
        return config

    def base(self, fixed: Sequence[str]) -> dict[str, Any]:
        """Return what all trials share, as it is recorded: the command and the fixed overrides."""
        # Without what the script takes for itself, such as a port: it may differ each time.
        command = [*self._started, *self._config_flags]
        return {"command": command, "overrides": list(fixed), "hash": base_hash(command, fixed)}

    def launcher_options(self) -> dict[str, Any]:
        """Return `hydra.launcher` as it is written, without what is for another launcher of ours.

        Raises:
            SweepError: an option that no launcher of ours has, or that cannot be left out.
        """
        options = self.config.hydra.launcher
        preset = getattr(get_class(options["_target_"]), "preset", None)
        return dict(options.items_ex(resolve=False)) if preset is None else own_options(preset, options)

    def launcher(self, task_function: TaskFunction, sweep_dir: Path) -> Launcher:
        """Return the launcher the config asks for, set up to run `task_function` below `sweep_dir`.

        Raises:
            SweepError: one of its options cannot be resolved, or is none of its own.
        """
        from hydra.core.plugins import Plugins

        config = copy.deepcopy(self.config)
        own = self.launcher_options()
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.sweep.dir = str(sweep_dir)
            # Before Hydra resolves them: what is for another machine may name a variable that is not set on this one.
            for option in config.hydra.launcher.keys() - own.keys():
                del config.hydra.launcher[option]
        check_resolvable(config.hydra.launcher)
        return Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=task_function, config=config
        )

    def restore_logging(self) -> None:
        """Log as a sweep does, after a job that was interrupted before Hydra could."""
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)

    def end_multirun(self) -> None:
        """Call the users' `on_multirun_end` callbacks, for a sweep that will not return to Hydra."""
        if _HYDRA_VERSION >= (1, 4):
            return  # it does so itself, however a sweep ends
        self.context.callbacks.on_multirun_end(config=self.config, config_name=self.config.hydra.job.config_name)


@contextmanager
def hydra_in_this_process(config_dir: Path | None, job_name: str = "app") -> Iterator[Hydra]:
    """Set Hydra up as `hydra.main` does, in a process that may have a Hydra of its own, while the block runs.

    Args:
        config_dir: where the configs are, absolute; None for those in the ConfigStore alone.
        job_name: `hydra.job.name`, which Hydra takes from the name of a script.
    """
    from hydra.core.global_hydra import GlobalHydra

    before, name = GlobalHydra.instance().hydra, JobRuntime.instance().get("name") if _has_job_name() else None
    GlobalHydra.instance().clear()
    set_version_base()
    try:
        search_path = create_config_search_path(None if config_dir is None else str(config_dir))
        yield Hydra.create_main_hydra2(task_name=job_name, config_search_path=search_path)
    finally:
        GlobalHydra.instance().hydra = before
        if name is not None:
            JobRuntime.instance().set("name", name)


def _has_job_name() -> bool:
    return "name" in JobRuntime.instance().conf


def composed_app(config_dir: Path | None, config_name: str | None, overrides: Sequence[str]) -> HydraApp:
    """Return the app that `hydra.main` with these configs would be, about to sweep with ours; it has no task."""
    from hydra.types import HydraContext, RunMode

    def no_task(config: DictConfig) -> None:
        raise AssertionError("a preview runs nothing")

    with hydra_in_this_process(config_dir) as app:
        config = app.compose_config(config_name, with_our_sweeper(overrides), RunMode.MULTIRUN)
        return HydraApp(HydraContext(app.config_loader, Callbacks()), no_task, config)


def with_our_sweeper(overrides: Sequence[str]) -> list[str]:
    """Return `overrides` with the choice of our sweeper, unless they choose one."""
    return [*overrides] if any(text.startswith("hydra/sweeper=") for text in overrides) else [_OURS, *overrides]


def _taken_by_script() -> tuple[str, ...]:
    """Return what the script took from its command line before Hydra read the rest, such as a subcommand."""
    left, taken = list(sys.argv[1:]), []
    for argument in _typed_after_script():
        if left and argument == left[0]:
            del left[0]
        else:
            taken.append(argument)
    if left:  # something was put there by other means
        return ()
    return masked_words(taken)  # Hydra writes overrides down, secrets and all; but not these


def _typed_after_script() -> list[str]:
    typed = sys.orig_argv
    if getattr(sys.modules.get("__main__"), "__spec__", None) is not None:
        return typed[typed.index("-m") + 2 :] if "-m" in typed else []
    script = Path(sys.argv[0]).absolute()
    return next(
        (typed[place + 1 :] for place, word in enumerate(typed) if place and Path(word).absolute() == script), []
    )


def _is_hydra_main_above() -> bool:
    """Whether `hydra.main` started this sweep from the command line; libraries such as hydra-zen's launch do without.

    The one that runs a job whose task function starts a sweep of its own does not count.
    """
    frame = inspect.currentframe()
    while frame is not None and frame.f_code is not run_job.__code__:
        if frame.f_code.co_filename == hydra.main.__code__.co_filename:
            return True
        frame = frame.f_back
    return False


@contextmanager
def hydra_config(config: DictConfig) -> Iterator[None]:
    """Make `config` the one that ``${hydra:...}`` reads while the block runs."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().cfg = config  # type: ignore[assignment]
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before
