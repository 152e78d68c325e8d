"""Composition without composing: which trials are known to compose, and where, from what was composed for others.

The invariant: :class:`Shortcut` answers only for trials for which Hydra's own composition would end in the same config
as far as validation looks at it, namely that it ends at all, and what `hydra.sweep.subdir` resolves to. It never says
that a trial fails: who gets no answer composes the trial in full, so every error is Hydra's own.

Why the answer is right. Hydra composes a job in four stages:

1. Overrides of config groups decide the defaults list, and that decides which files are merged. No override of a
   value is read here (but for `hydra.searchpath`; trials with any `hydra.*` override get no answer). So all trials
   with the same overrides of groups, in the same order, have the same config here: the *template*, which Hydra
   composes once from just these. Whether a key is a config group is asked of the repository that Hydra itself would
   ask.
2. The overrides of values are applied to that config in their order. A *step* is one whose work lies inside one
   entry of one dict: it sets a leaf (``a.b=1``, ``++a.b=1``), adds one that is absent (``+a.b=1``, ``++a.b=1``) or
   deletes what is there (``~a.b``). Its value is a scalar or a list of scalars without interpolations, and the dict
   is reached through dicts alone: no interpolation, list, union, None or ``???`` on the way. Hydra's code for it
   reads the chain of dicts down to the entry, with their types and flags, and the entry; it writes the entry alone.
   Two steps whose keys do not begin with one another have different entries, and neither's entry lies in the
   other's chain, so neither changes what the other reads. Hence each does on the template, alone, what it does in
   any trial, in any order. It is tried there once, by Hydra's own function, on a scratch copy.
3. Hydra notes below `hydra` what it did (overrides, choices, versions, the job's name), and 1.4 compares the
   launcher and the sweeper with those of the sweep, unresolved. Steps do not write there; they could matter only
   through an interpolation. So no container below `hydra` may be one, and no step may touch what the few values
   that Hydra resolves there refer to, directly or by other interpolations.
4. The directory is resolved. If all interpolations that this can reach are understood
   (:mod:`hyperherd.sweep.validation.interpolations`), it is resolved by OmegaConf on the template after the steps it
   can reach; a resolver of the user's own is not understood, for it may read anything.

What is not of this form gets no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from hyperherd.compat.omegaconf import child_of
from hyperherd.records.sweep import PlannedTrial
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.validation.interpolations import ConfigPath, has_interpolated_container, related
from hyperherd.sweep.validation.override_parts import Choice, Part, PartReader, Step
from hyperherd.sweep.validation.template import JOB_ID, NO_COMPOSITION, ConfigPlace, Template

_KEPT = 256
"""Templates held at a time, about 0.2 MB each."""


class Shortcut:
    """Says of trials that they compose, and where they run, where that needs no composition of their own."""

    def __init__(self, app: HydraApp, where: str) -> None:
        """Prepare for trials of `app`, all of which get the override `where` in the end."""
        self._app = app
        self._where = where
        self._reader = PartReader(app)
        self._templates: dict[tuple[str, ...], Template | None] = {}
        self._independent: dict[tuple[ConfigPath, ...], bool] = {}

    def prove(self, trial: PlannedTrial) -> ConfigPlace | None:
        """Return the place of a trial that is known to compose; None if it has to be composed."""
        parts = self._parts(trial)
        template = self._template(parts) if parts is not None else None
        if parts is None or template is None:
            return None
        if not all(template.admits(part) for part in parts if isinstance(part, Step)):
            return None
        return template.place(trial.number, parts)

    def trust(self, trial: PlannedTrial) -> ConfigPlace:
        """Return the place of a trial that is taken to compose; unknown where it is not certain what decides it."""
        parts = self._parts(trial)
        template = self._template(parts) if parts is not None else None
        if parts is None or template is None:
            return ConfigPlace(None)
        return template.place(trial.number, parts) or ConfigPlace(None)

    def _parts(self, trial: PlannedTrial) -> list[Part] | None:
        """Return the choices and steps that a trial consists of; None if there is more to it."""
        parts = []
        for text in trial.overrides:
            part = self._reader.read(text)
            if part is None:
                return None
            parts.append(part)
        return parts if self._are_independent(parts) else None

    def _are_independent(self, parts: Sequence[Part]) -> bool:
        paths = tuple(part.path for part in parts if isinstance(part, Step))
        if paths not in self._independent:
            self._independent[paths] = not any(related(left, right) for left, right in combinations(paths, 2))
        return self._independent[paths]

    def _template(self, parts: Sequence[Part]) -> Template | None:
        choices = tuple(part.text for part in parts if isinstance(part, Choice))
        if choices not in self._templates:
            if len(self._templates) == _KEPT:
                del self._templates[next(iter(self._templates))]
            self._templates[choices] = self._compose(choices)
        return self._templates[choices]

    def _compose(self, choices: tuple[str, ...]) -> Template | None:
        try:
            config = self._app.compose([*choices, self._where], 0, JOB_ID)
        except NO_COMPOSITION:
            return None
        return None if has_interpolated_container(child_of(config, "hydra")) else Template(self._app, config)
