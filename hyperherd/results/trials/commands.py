"""The commands that do something again: one trial, what is not done of a sweep, or a configuration with more seeds.

A command is what a shell and then Hydra's parser take back as the same typed values; nothing here starts anything.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, ResultsError
from hyperherd.masking import masked_words
from hyperherd.paths import SweepPaths, TrialPaths
from hyperherd.records.disk.files import read_json
from hyperherd.records.disk.ownership import SHARED, distrust
from hyperherd.records.places import in_place, stays_in
from hyperherd.records.sweep import SweepRecord, read_planned
from hyperherd.results.files.hydra_job import read_yaml
from hyperherd.results.trials.trial import Sweep, Trial

PYTHON = "python"

_BARE = re.compile(r"[A-Za-z0-9_\-./:+]+")
_SEEDS = re.compile(r"([0-9]+)(?:(?:\.\.|-)([0-9]+))?")
_MOST_SEEDS = 10_000
_SPACE = {
    "params": "null",
    "parameters": "null",
    "conditions": "[]",
    "constraints": "[]",
    "grid": "null",
    "grids": "[]",
    "zip": "[]",
    "sample": "null",
    "max_trials": "null",
    "seeds": "null",
}
"""What `hydra.sweeper` may hold of a search space, and the override that takes it away."""
_NOT_REPEATED = frozenset({*_SPACE, "order", "dry_run", "only", "resume"})
_NEVER_REPEATED = ("hydra.sweep.dir", "hydra.sweeper.shared")
"""What no record may say: where, and whether its folder is trusted."""


@dataclass(frozen=True)
class Command:
    """A command, and the folder it is to be run in; None if that is not known."""

    argv: tuple[str, ...]
    """Python, then the script (absolute) or ``-m``, then the rest; overrides alone where the script is not known."""
    cwd: Path | None = None

    def with_python(self, python: str) -> Command:
        """Return the command with an interpreter in its first place; that of this process is the word ``python``."""
        return self if python == sys.executable else replace(self, argv=(python, *self.argv[1:]))

    def shell(self, *, ascii_only: bool = False, anywhere: bool = False) -> str:
        r"""Return the line to type into a shell in the folder we are in, or anywhere.

        What is not printable, or not ASCII if that is asked for, is spelled as bash, zsh and ksh read it: ``$'\x1b'``.
        """
        here = None if anywhere else _here()
        script = [_near(item, self.cwd or here) for item in self.argv[1:2]]
        argv = (*self.argv[:1], *script, *self.argv[2:])
        line = " ".join(_shell_quoted(item, ascii_only) for item in argv)
        if self.cwd is None or self.cwd == here:
            return line
        return f"cd {_shell_quoted(str(self.cwd), ascii_only)} && {line}"


def run_again(trial: Trial) -> Command | None:
    """Return the command that runs `trial` alone, outside of its sweep; None if its script is not known."""
    return Command(tuple(trial.command), trial.sweep.cwd) if trial.command else None


def resume(trials: Iterable[Trial]) -> list[Command]:
    """Return the commands that run `trials` again where they are, keeping their numbers and what is done.

    One command resumes a sweep of ours with all that is not done in it, also beyond `trials`; a trial that its sweep
    was asked for earlier and is not any more gets one of its own, and so does every trial of a sweep that is not ours.
    """
    commands: list[Command] = []
    for sweep, members in _by_sweep(trials).items():
        record = _record(sweep)
        orphans = _orphans(sweep) if record else set()
        current = [trial for trial in members if trial.number not in orphans]
        if sweep.no_command:
            continue
        if record is None or not record.invocations:
            commands += [command for trial in members if (command := run_again(trial))]
            continue
        if current:
            commands.append(_invoked_again(record, sweep))
        commands += [_sweep_of(trial, record, {}) for trial in members if trial.number in orphans]
    return commands


def more_seeds(trial: Trial, seeds: Sequence[int], key: str = "") -> Command:
    """Return the sweep that runs the configuration of `trial` with other seeds.

    A sweep of ours resumes in its own directory, where done trials are kept; what Hydra swept without us, and a sweep
    that was started with the seed fixed, gets a new directory beside the old one.

    Args:
        trial: one trial of the configuration.
        seeds: the new seeds.
        key: the parameter that repeats a configuration; empty: as the sweep says, else ``seed``.

    Raises:
        ResultsError: the script is not known.
    """
    if trial.sweep.no_command:
        raise ResultsError(f"no command runs trial {trial.label}: {trial.sweep.no_command}")
    if not trial.command:
        raise ResultsError(f"trial {trial.label} did not record its script, so its command is not known")
    record = _record(trial.sweep)
    key = key or usual_seed_key(trial)
    return _sweep_of(trial, record, {key: ",".join(map(str, seeds))}) if record else _plain_sweep(trial, key, seeds)


def usual_seed_key(trial: Trial) -> str:
    """Return the parameter that repeats the configuration of `trial`, where none does yet."""
    record = _record(trial.sweep)
    return (record.seed_key if record else None) or "seed"


def parse_seeds(text: str) -> list[int]:
    """Return the seeds of ``5..9``, ``5-9`` or ``1,2,5..9``.

    Raises:
        ResultsError: it is neither.
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        found = _SEEDS.fullmatch(part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if first > last or last - first >= _MOST_SEEDS:
            raise ResultsError(f"{text!r} is not a list of seeds; use e.g. 5..9 or 1,2,5-9")
        seeds.update(dict.fromkeys(range(first, last + 1)))
    return list(seeds)


def _shell_quoted(text: str, ascii_only: bool) -> str:
    if text.isprintable() and (text.isascii() or not ascii_only):
        return shlex.quote(text)
    try:
        data = os.fsencode(text)
    except UnicodeEncodeError:  # half a character, which no file name and no argument has
        data = text.encode("utf-8", "backslashreplace")
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b"\\'" else f"\\x{byte:02x}" for byte in data)
    return f"$'{''.join(plain)}'"


def _near(script: str, folder: Path | None) -> str:
    """Return the path of a script as one types it in `folder`, if it lies there or below."""
    if folder is None or not Path(script).is_absolute() or not Path(script).is_relative_to(folder):
        return script
    return str(Path(script).relative_to(folder))


def _here() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # the folder we are in has been deleted
        return None


def _folder(invocation: dict[str, Any]) -> Path | None:
    cwd = invocation.get("cwd")
    return Path(cwd) if isinstance(cwd, str) else None


def _record(sweep: Sweep) -> SweepRecord | None:
    try:
        return SweepRecord.read(sweep.dir)
    except (OSError, FormatError):
        return None


def _orphans(sweep: Sweep) -> set[int]:
    try:
        return {trial.number for trial in read_planned(sweep.dir) if trial.orphan}
    except (OSError, FormatError):
        return set()


def _by_sweep(trials: Iterable[Trial]) -> dict[Sweep, list[Trial]]:
    groups: dict[Sweep, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.sweep, []).append(trial)
    return groups


def _invoked_again(record: SweepRecord, sweep: Sweep) -> Command:
    """Return the sweep's last invocation, resuming in its directory."""
    invocation = record.invocations[-1]
    arguments = [item for item in _arguments(invocation) if _name(item) not in _NEVER_REPEATED]
    start = _without_flags(record.command) or ["python", record.script]
    return Command(masked_words((*start, *arguments, _place(sweep.dir))), _folder(invocation))


def _sweep_of(trial: Trial, record: SweepRecord, changes: dict[str, str]) -> Command:
    """Return a sweep over exactly the configuration of `trial`, with `changes` as what some names sweep over."""
    base = record.base.get("overrides")
    fixed = [*masked_words(map(str, base))] if isinstance(base, list) else []
    clash = [item for item in fixed if _name(item) in changes]
    own = [item for item in trial.overrides if item not in fixed and _name(item) in trial.params]
    invocation = record.invocations[-1] if record.invocations else {}
    place = _new_folder(trial.sweep.dir) if clash else trial.sweep.dir
    argv = (
        *(record.command or ["python", record.script]),
        "-m",
        *(item for item in fixed if item not in clash),
        *(_swept(item) for item in own if _name(item) not in changes),
        *(f"{_prefix(trial, name)}{name}={_choice(values)}" for name, values in changes.items()),
        *_hydra_arguments(invocation, record, trial.sweep),
        _place(place),
    )
    return Command(masked_words(argv), _folder(invocation))


def _plain_sweep(trial: Trial, key: str, seeds: Sequence[int]) -> Command:
    own = [item for item in trial.overrides if _name(item) != key]
    swept = f"{_prefix(trial, key)}{key}={','.join(map(str, seeds))}"
    return Command((*trial.command[:2], "-m", *own, swept, _place(_new_folder(trial.sweep.dir))))


def _hydra_arguments(invocation: dict[str, Any], record: SweepRecord, sweep: Sweep) -> Iterator[str]:
    """Yield what the sweep was told about Hydra itself, without its place and its space, which is taken away."""
    kept = [
        item
        for item in _arguments(invocation)
        if _name(item).startswith(("hydra.", "hydra/"))
        and _name(item) not in _NEVER_REPEATED
        and not (_name(item).startswith("hydra.sweeper.") and _name(item).split(".")[2] in _NOT_REPEATED)
    ]
    if not invocation:
        kept = ["hydra/sweeper=herd"]
    yield from kept
    written = _configured_space(sweep)
    for key, nothing in _SPACE.items():
        if record.space.get(key) or written.get(key):
            yield f"hydra.sweeper.{key}={nothing}"


def _configured_space(sweep: Sweep) -> dict[str, Any]:
    """Return `hydra.sweeper` as the sweep found it in its config; empty if that is not known."""
    try:
        found = read_yaml(SweepPaths(sweep.dir).multirun)["hydra"]["sweeper"]
    except (OSError, FormatError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _arguments(invocation: dict[str, Any]) -> list[str]:
    argv = invocation.get("argv")
    return [str(item) for item in argv[1:]] if isinstance(argv, list) else []


def _without_flags(command: Sequence[str]) -> list[str]:
    """Return the start of a command without ``--config-name`` and the like: an invocation's arguments have them."""
    return [item for item in command if not item.startswith(("--config-name=", "--config-path=", "--config-dir="))]


def _name(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def _swept(override: str) -> str:
    """Return a fixed override as a sweep over its one value, so that it names a trial and not the whole sweep."""
    key, found, value = override.partition("=")
    if value == "null":  # which choice() does not take; equal trials are merged into one
        return f"{key}=null,null"
    return f"{key}=choice({value})" if found and value else override


def _choice(values: str) -> str:
    return values if "," in values else f"choice({values})"


def _prefix(trial: Trial, name: str) -> str:
    """Return how `name` is to be spelled: as the trial had it, else with a ``+`` if the app's config lacks it."""
    for item in trial.overrides:
        if _name(item) == name:
            return item[: len(item) - len(item.lstrip("+"))]
    if trial.dir is None:
        return ""
    node: Any = trial.written_config
    if not node:
        return ""
    for part in name.split("."):
        if not isinstance(node, dict) or part not in node:
            return "+"
        node = node[part]
    return ""


def _new_folder(sweep_dir: Path) -> Path:
    """Return a directory beside `sweep_dir` that does not exist yet."""
    path, count = sweep_dir.with_name(f"{sweep_dir.name}_seeds"), 1
    while path.exists():
        count += 1
        path = sweep_dir.with_name(f"{sweep_dir.name}_seeds_{count}")
    return path


def _place(folder: Path) -> str:
    return f"hydra.sweep.dir={_quoted(str(folder))}"


def _quoted(text: str) -> str:
    if _BARE.fullmatch(text):
        return text
    from hyperherd.overrides import encode

    return encode(text)


def in_shared(trial: Trial, command: Command) -> Command:
    """Return a sweep that goes on in the folder of `trial` as one that trusts all who can write there."""
    if not SweepPaths(trial.sweep.dir).sweep.exists():
        return command
    return replace(command, argv=(*command.argv, SHARED))


def interpreter(trial: Trial) -> str:
    """Return the Python that more trials like `trial` are to be run with.

    It is the one that ran `trial`, as that has recorded, if it is still there, nobody else could have written the
    record, and it does not lie among the results; else the one of this process.
    """
    return _recorded_python(trial) or sys.executable


def _recorded_python(trial: Trial) -> str | None:
    if trial.dir is None:
        return None
    try:
        path = in_place(TrialPaths(trial.dir).provenance, trial.dir)
        if any(distrust(one) for one in (trial.dir, path)):
            return None
        found = read_json(path).get("executable")
    except (OSError, FormatError):
        return None
    if not isinstance(found, str) or not Path(found).is_absolute() or not os.access(found, os.X_OK):
        return None
    folders = [Path(os.path.abspath(folder)) for folder in (trial.dir, trial.sweep.dir)]  # noqa: PTH100
    inside = any(stays_in(found, folder) or Path(found).is_relative_to(folder) for folder in folders)
    return None if inside or not Path(found).is_file() else found


def from_here(path: str) -> str:
    """Return `path` as one would type it here; the absolute one if it is not below."""
    try:
        near = os.path.relpath(path)
    except OSError:  # the folder we are in has been deleted
        return path
    return path if near.startswith("..") else near
