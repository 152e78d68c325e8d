"""A sweep started from Python or a notebook: what ``-m`` runs, with the results as its value."""

from __future__ import annotations

import inspect
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.errors import CompactHydraException
from yaml import YAMLError

from hyperherd.errors import SweepError
from hyperherd.results.api import Trials, load
from hyperherd.sweep.app import hydra_in_this_process, with_our_sweeper
from hyperherd.sweep.directory import noted_claims
from hyperherd.sweep.validation.template import NO_COMPOSITION
from hyperherd.sweep.validation.validate import composition_error
from hyperherd.trial.signals import EXIT_CODES

_FAILED = 1
_UNSET: Any = object()


@dataclass(frozen=True)
class _Main:
    """The task function, and where `hydra.main` finds its configs."""

    function: Callable[[Any], Any]
    config_dir: Path | None
    config_name: str | None
    script: Path | None
    has_command: bool
    """Whether the command line of `script` runs it."""


def run_sweep(
    main: Callable[[Any], Any],
    overrides: Sequence[str] = (),
    *,
    config_dir: str | Path | None = _UNSET,
    config_name: str | None = _UNSET,
) -> Trials:
    """Run what ``python script.py -m <overrides> hydra/sweeper=herd`` runs, and return its trials.

    Args:
        main: the function that a trial runs, with or without `hydra.main` around it.
        overrides: as on the command line, sweeps, fixed ones, and those of `hydra.*`.
        config_dir: the folder of the configs, None for those in the ConfigStore; if it is left out, the `config_path`
            of `hydra.main` is used, which `main` must have around it.
        config_name: the name of the config; if it is left out, that of `hydra.main`, or ``config``.

    Returns:
        The trials of the sweep's directory. One that failed is among them, with its reason.

    Raises:
        HyperherdError: the sweep cannot start as asked; the message is for the user.
        KeyboardInterrupt: it was interrupted.
    """
    found = _read(main, config_dir, config_name)
    with noted_claims() as claims, _arguments(found, overrides), _logging():
        try:
            with hydra_in_this_process(found.config_dir, found.script.stem if found.script else "app") as app:
                app.multirun(found.config_name, found.function, with_our_sweeper(overrides))
        except CompactHydraException as error:
            raise SweepError(str(error)) from error
        except SystemExit as error:
            if error.code == EXIT_CODES[signal.SIGINT]:
                raise KeyboardInterrupt from None
            if isinstance(error.code, str):  # the reason why there is no sweep
                raise SweepError(error.code) from None
            # After a claim, this code means that trials failed, which the results show.
            if error.code != _FAILED or not claims:
                raise
        except (*NO_COMPOSITION, YAMLError) as error:
            if claims:  # from a trial's own code or a callback, not from reading the config
                raise
            raise SweepError(composition_error(error)) from error
    if not claims:
        raise SweepError("nothing was run, as in a dry run or with another sweeper; hyperherd.plan() previews a sweep")
    return load(claims[-1])


def _read(main: Callable[[Any], Any], config_dir: Any, config_name: Any) -> _Main:
    function = inspect.unwrap(main)
    written = inspect.getclosurevars(main).nonlocals if function is not main else {}
    script = _source(function)
    # Given configs need not be those of the decorator; and a script that runs now called us where `main()` would stand.
    as_decorated = config_dir is _UNSET and config_name is _UNSET
    has_command = as_decorated and script is not None and script != _running_script()
    if config_dir is _UNSET:
        if "config_path" not in written:
            raise SweepError("run_sweep needs config_dir, because the function has no hydra.main around it")
        config_dir = _beside(script, written["config_path"])
    if config_name is _UNSET:
        config_name = written.get("config_name") if "config_name" in written else "config"
    folder = None if config_dir is None else Path(config_dir).absolute()
    return _Main(function, folder, config_name, script, has_command)


def _running_script() -> Path | None:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(file).absolute() if file else None


def _source(function: Callable[[Any], Any]) -> Path | None:
    try:
        written = inspect.getsourcefile(function)
    except TypeError:
        return None
    path = Path(written).absolute() if written else None
    return path if path is not None and path.exists() else None  # a cell of a notebook has no file


def _beside(script: Path | None, config_path: str | None) -> Path | None:
    """Return the folder that hydra.main's `config_path` means."""
    if config_path is None:
        return None
    if script is None or config_path.startswith("pkg://"):
        raise SweepError(f"config_path={config_path!r} of hydra.main is not a folder beside a file; give config_dir")
    return script.parent / config_path


@contextmanager
def _arguments(main: _Main, overrides: Sequence[str]) -> Iterator[None]:
    """Make the process look like the command that runs the same, as far as there is one, for what is recorded."""
    before = sys.argv
    if main.script is not None:
        sys.argv = [str(main.script), *(["-m", *with_our_sweeper(overrides)] if main.has_command else [])]
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def _logging() -> Iterator[None]:
    """Keep the caller's logging: Hydra replaces the handlers of the root logger."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, level
