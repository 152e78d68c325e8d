"""The config that a trial composes, one value at a time, for many trials at little cost.

The invariant: :meth:`EffectiveConfigs.value` returns what `OmegaConf.select` returns on the config that Hydra composes
for these overrides. A value is resolved once for each choice of config groups and each combination of the values that
it is made from; where it is not certain what these are, once for each distinct trial, on a config composed for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig

from hyperherd.compat.omegaconf import child_of
from hyperherd.errors import SpaceError
from hyperherd.space.expressions import Absent
from hyperherd.space.values import Value
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.base_config import UNCHOSEN, group_choices
from hyperherd.sweep.effective_config.dependencies import Dependencies, dependencies
from hyperherd.sweep.effective_config.overrides_read import OverrideSorter, SortedOverrides
from hyperherd.sweep.effective_config.resolution import mark_unknown, resolve, resolve_twice
from hyperherd.sweep.validation.interpolations import ConfigPath, has_interpolated_container, related
from hyperherd.sweep.validation.override_parts import Step
from hyperherd.sweep.validation.template import JOB_ID, NO_COMPOSITION, Template

_KEPT = 256
"""Templates held at a time, about 0.2 MB each."""
_COMPOSED = 16
"""Other composed configs held at a time."""
_FAILURES = 30
"""Trials that do not compose on a template that does, before conditions about them are given up."""
_OF_ALL_OVERRIDES: tuple[ConfigPath, ...] = (("hydra", "overrides"), ("hydra", "job", "override_dirname"))
"""What Hydra writes into a config about all overrides of its job, so that no template has it."""

Answer = Value | Absent | SpaceError
_NOT_HERE = object()


@dataclass
class _Known:
    """What is known about the trials with the same baked overrides; it is kept when their template is not.

    `fails` is set when neither the template nor the first of these trials composes: the others are not tried.
    """

    fails: bool = False
    admitted: dict[str, bool] = field(default_factory=dict)
    dependencies: dict[str, Dependencies | None] = field(default_factory=dict)
    choices: dict[str, Any] | None = None
    places: dict[tuple[str, tuple[ConfigPath, ...]], list[int]] = field(default_factory=dict)
    answers: dict[tuple[str, tuple[str, ...]], Answer] = field(default_factory=dict)


class EffectiveConfigs:
    """The configs of the trials of one sweep."""

    def __init__(self, app: HydraApp, unknown: Mapping[str, str]) -> None:
        """Prepare for trials of `app`.

        Args:
            app: the Hydra app that sweeps.
            unknown: entries of the config that are not known yet, by dotted name, with the reason.
        """
        self._app = app
        self._unknown = unknown
        self._sorter = OverrideSorter(app)
        self._known: dict[tuple[str, ...], _Known] = {}
        self._templates: dict[tuple[str, ...], Template | None] = {}
        self._composed: dict[tuple[str, ...], DictConfig | None] = {}
        self._full: dict[tuple[tuple[str, ...], str], Answer] = {}
        self._last: tuple[tuple[str, ...] | None, SortedOverrides | None] = None, None
        self._failures = 0

    def value(self, texts: tuple[str, ...], name: str) -> Value:
        """Return the value of `name` in the config of the trial with the overrides `texts`.

        A name of a config group in the defaults list means what is chosen of it.

        Raises:
            Absent: it has none, or the trial does not compose.
            SpaceError: it has one that only the running trial can know.
        """
        answer = self._answer(texts, name)
        if isinstance(answer, Absent | SpaceError):
            # A new one each time: one that is raised again keeps the frames of every earlier time alive.
            raise type(answer)(*answer.args)
        return answer

    @property
    def composed(self) -> list[DictConfig]:
        """The configs that have been composed and are still held."""
        return [template.config for template in self._templates.values() if template is not None]

    def choices(self, texts: tuple[str, ...]) -> Mapping[str, Any]:
        """Return the config groups in the trial's defaults list with what is chosen of each; none if it fails."""
        overrides = self._sorted(texts)
        known = self._known.setdefault(texts if overrides is None else overrides.baked, _Known())
        if known.choices is None:
            config = None if overrides is None else self._compose(overrides.baked)
            # Some compose only with all overrides of the trial.
            config = config or self._compose(texts)
            found = {} if config is None else group_choices(config)
            known.fails = config is None
            known.choices = {group: choice for group, choice in found.items() if choice != UNCHOSEN}
        return known.choices

    def _sorted(self, texts: tuple[str, ...]) -> SortedOverrides | None:
        if self._last[0] is not texts:  # several names are asked for in a row
            self._last = texts, self._sorter.sort(texts)
        return self._last[1]

    def _answer(self, texts: tuple[str, ...], name: str) -> Answer:
        # First: the config has an entry of the group's name too, which is the chosen option's content.
        if name in (choices := self.choices(texts)):
            return choices[name]
        overrides = self._sorted(texts)
        if (
            name == "hydra"
            or name.startswith(("hydra.", "hydra/", "hydra@"))
            or self._known[texts if overrides is None else overrides.baked].fails
        ):
            return Absent(name)
        answer = _NOT_HERE if overrides is None else self._from_template(overrides, name)
        return self._from_composition(texts, name) if answer is _NOT_HERE else answer

    def _from_template(self, overrides: SortedOverrides, name: str) -> Answer:
        """Return the value that a template gives, or `_NOT_HERE` if it is not certain that the trial has it too."""
        known = self._known[overrides.baked]
        if not self._admits(known, overrides):
            return _NOT_HERE
        if name not in known.dependencies:
            template = self._template(overrides.baked)
            known.dependencies[name] = None if template is None else dependencies(template.config, _path(name))
        needs = known.dependencies[name]
        places = known.places.get((name, overrides.paths))
        if places is None:
            places = known.places[name, overrides.paths] = _relevant(overrides.paths, needs)
        steps = [overrides.steps[place] for place in places]
        key = name, tuple([step.text for step in steps])
        if key not in known.answers:
            known.answers[key] = self._resolved(overrides, steps, name, needs)
        return known.answers[key]

    def _admits(self, known: _Known, overrides: SortedOverrides) -> bool:
        """Whether every step of a trial stays inside its own entry; one that does not may change any value."""
        for step in overrides.steps:
            if step.text not in known.admitted:
                template = self._template(overrides.baked)
                known.admitted[step.text] = template is not None and template.admits(step)
            if not known.admitted[step.text]:
                return False
        return True

    def _resolved(
        self, overrides: SortedOverrides, steps: Sequence[Step], name: str, needs: Dependencies | None
    ) -> Answer:
        template = self._template(overrides.baked)
        if template is None or needs is None:
            return _NOT_HERE
        # It reads what the template was composed without.
        if any(related(path, other) for path in needs.paths for other in _OF_ALL_OVERRIDES):
            return _NOT_HERE
        try:
            with template.changed(steps) as config:
                if not needs.calls:
                    return resolve(config, name, self._app.config)
                value = resolve_twice(config, name, self._app.config, _first_parts(needs.paths))
        except Absent as error:
            return error
        except SpaceError as error:
            return _NOT_HERE if needs.calls else error  # it may have asked for what was kept from it
        # A config that a resolver made may refer to anything.
        return _NOT_HERE if isinstance(value, list | dict) else value

    def _from_composition(self, texts: tuple[str, ...], name: str) -> Answer:
        key = texts, name
        if key not in self._full:
            self._full[key] = self._fully_resolved(texts, name)
        return self._full[key]

    def _fully_resolved(self, texts: tuple[str, ...], name: str) -> Answer:
        config = self._compose(texts)
        if config is None:
            self._failures += 1
            if self._failures > _FAILURES:  # each takes as long as a composition
                raise SpaceError(
                    f"trials such as {' '.join(texts)} do not compose; correct their overrides, or exclude them first"
                )
            return Absent(name)
        try:
            return resolve_twice(config, name, self._app.config, None)
        except (Absent, SpaceError) as error:
            return error

    def _template(self, baked: tuple[str, ...]) -> Template | None:
        if baked not in self._templates:
            _make_room(self._templates, _KEPT)
            config = self._compose(baked)
            is_usable = config is not None and not has_interpolated_container(child_of(config, "hydra"))
            self._templates[baked] = Template(self._app, config) if config is not None and is_usable else None
        return self._templates[baked]

    def _compose(self, texts: tuple[str, ...]) -> DictConfig | None:
        """Return the config composed for these overrides; None if Hydra cannot compose it."""
        if texts not in self._composed:
            _make_room(self._composed, _COMPOSED)
            try:
                config = self._app.compose(texts, 0, JOB_ID)
                mark_unknown(config, self._unknown)
                self._composed[texts] = config
            except NO_COMPOSITION:
                self._composed[texts] = None
        return self._composed[texts]


def _relevant(paths: Sequence[ConfigPath], needs: Dependencies | None) -> list[int]:
    """Return the places of the steps among all that a value depends on."""
    if needs is None:
        return list(range(len(paths)))
    return [place for place, path in enumerate(paths) if any(related(path, other) for other in needs.paths)]


def _first_parts(paths: Iterable[ConfigPath]) -> frozenset[str] | None:
    """Return the top-level keys that `paths` begin with; None if one is Hydra's, who looks at the whole."""
    parts = frozenset(path[0] for path in paths)
    return None if "hydra" in parts else parts


def _path(name: str) -> ConfigPath:
    return tuple(name.split("[")[0].split("."))


def _make_room(kept: dict[tuple[str, ...], Any], most: int) -> None:
    if len(kept) >= most:
        del kept[next(iter(kept))]
