"""What tests of validation share: an app with everything in its configs, and what is said of trials of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Union

import hydra
import pytest
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from hyperherd.errors import SweepError
from hyperherd.overrides import place_overrides
from hyperherd.records.sweep import PlannedTrial
from hyperherd.sweep.app import HydraApp, composed_app
from hyperherd.sweep.validation.shortcut import Shortcut
from hyperherd.sweep.validation.validate import validate

NEWER = not hydra.__version__.startswith("1.3")
register_resolver = OmegaConf.register_resolver if NEWER else OmegaConf.register_new_resolver

on_any_hydra = pytest.mark.filterwarnings("ignore:.*will be removed in Hydra 1.5")
"""1.4 warns of things that 1.3 has no other way for."""


class Color(Enum):
    RED = 1
    BLUE = 2


@dataclass
class Inner:
    width: int = 3
    tag: str = MISSING


@dataclass
class Typed:
    i: int = 1
    f: float = 0.5
    b: bool = False
    s: str = "text"
    p: Path = Path("here")
    e: Color = Color.RED
    oi: int | None = None
    u: Union[int, str] = 1  # noqa: UP007
    li: list[int] = field(default_factory=lambda: [1, 2])
    di: dict[str, int] = field(default_factory=lambda: {"one": 1})
    dc: dict[Color, int] = field(default_factory=lambda: {Color.RED: 1})
    db: dict[bool, int] = field(default_factory=lambda: {True: 1})
    ln: list[Inner] = field(default_factory=lambda: [Inner()])
    inner: Inner = field(default_factory=Inner)
    on: Inner | None = None
    any: Any = None
    miss: int = MISSING


@pytest.fixture(scope="module")
def schemas() -> Iterator[None]:
    """Schemas that configs name in their defaults list, and a resolver that reads what it likes."""
    store = ConfigStore.instance()
    store.store(name="typed", node={"t": Typed})
    frozen = OmegaConf.create({"x": 1, "y": {"z": 2}})
    OmegaConf.set_readonly(frozen, True)
    store.store(name="frozen", node={"frozen": frozen})
    register_resolver("peek", lambda key, _root_: OmegaConf.select(_root_, key))
    yield
    for name in ("typed", "frozen"):
        del store.repo[f"{name}.yaml"]
    OmegaConf.clear_resolver("peek")


class Counting:
    """An app that counts what it composes."""

    def __init__(self, app: HydraApp) -> None:
        self.app = app
        self.composed: list[Sequence[str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app, name)

    def compose(self, overrides: Sequence[str], number: int, job_id: str) -> DictConfig:
        self.composed.append(overrides)
        return self.app.compose(overrides, number, job_id)


CONFIG = """
defaults: [typed, frozen, opt: sgd, model: a, data@train: small, data@test: small, _self_]
lr: 0.1
seed: 0
name: run
flag: true
none: null
miss: ???
layers: [1, 2]
n: {a: 1, b: {c: 2, d: deep}, alias: "${lr}"}
ref: ${n}
chain: ${name}
which: a
choose: ${options.${which}}
options: {a: 1, b: {x: 2}}
"""
FILES = {
    "config": CONFIG,
    "model/a": "size: 1\nkind: cnn\nextra: {one: 1}\n",
    "model/b": "defaults: [override /opt@_global_.opt: adam]\nsize: 2\nheads: 4\n",
    "model/c": "defaults: [/data@_global_.third: large, _self_]\nsize: three\nextra: 5\n",
    "model/d": "# @package _global_\nlr: 7\nmodel: {size: 9}\nhydra: {sweep: {subdir: 'd_${lr}_${hydra.job.num}'}}\n",
    "model/e": "size: ${lr}\nextra: ${n.b}\n",
    "opt/sgd": "momentum: 0.9\n",
    "opt/adam": "beta: 0.99\n",
    "data/small": "rows: 10\n",
    "data/large": "rows: 1000\ncolumns: 3\n",
}


def write_app(folder: Path, files: Mapping[str, str], *overrides: str) -> HydraApp:
    for name, text in files.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return composed_app(folder, "config", [f"hydra.sweep.dir={folder}/multirun", *overrides])


def planned(trials: Sequence[Sequence[str]]) -> list[PlannedTrial]:
    return [
        PlannedTrial(number, f"key{number}", f"trial{number}", tuple(each), {}) for number, each in enumerate(trials)
    ]


@dataclass
class Verdicts:
    """For each trial: what Hydra says (None: an error), and what the short way says (None: nothing)."""

    full: list[tuple[str | None] | None]
    short: list[tuple[str | None] | None]

    @property
    def told(self) -> str:
        """``+`` for a trial the short way proves, ``.`` for one that composes otherwise, ``x`` for one that fails."""
        return "".join(
            "x" if full is None else "." if short is None else "+"
            for full, short in zip(self.full, self.short, strict=True)
        )


def verdicts(app: HydraApp, trials: Sequence[Sequence[str]]) -> Verdicts:
    """Compose every trial in full, and ask the short way about each; what it says must be what Hydra says."""
    where = Path("/nowhere/sweep")
    found = Verdicts([], [])
    shortcut = Shortcut(app, *place_overrides(where, None))
    for trial in planned(trials):
        place = shortcut.prove(trial)
        found.short.append(None if place is None else (place.dir,))
        try:
            found.full.append((validate(app, [trial], where, "full")[0].dir,))
        except SweepError:
            found.full.append(None)
        if place is not None:
            assert found.short[-1] == found.full[-1], (trial.overrides, place)
    return found
