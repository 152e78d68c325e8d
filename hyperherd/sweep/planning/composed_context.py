"""Where conditions look names up: in the config that the point at hand would compose as a trial."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from hyperherd.errors import SpaceError
from hyperherd.space.expressions import Absent
from hyperherd.space.point import Point
from hyperherd.space.values import Value
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.base_config import group_choices, names_of
from hyperherd.sweep.effective_config.effective_config import EffectiveConfigs
from hyperherd.sweep.planning.override_writer import OverrideWriter


class ComposedContext:
    """Looks names up in each point's own effective config, under what conditions have done to it so far."""

    def __init__(
        self, app: HydraApp, configs: EffectiveConfigs, writer: OverrideWriter, fixed: tuple[str, ...]
    ) -> None:
        """Prepare for points of one space.

        Args:
            app: the Hydra app that sweeps.
            configs: of its trials.
            writer: writes the overrides of a point.
            fixed: the overrides that all points share.
        """
        self._app = app
        self._configs = configs
        self._writer = writer
        self._fixed = fixed
        self._key = functools.cache(app.key_without_alias)

    def look_up(self, point: Point, name: str) -> Value:
        """Return the value of `name` in the config of `point`; raises Absent if it has none."""
        name = self._key(name)
        try:
            return self._configs.value(self._writer.overrides(point), name)
        except Absent:
            if name in point.values:  # a key that is written otherwise in the config, or a trial that fails
                return point.values[name]
            raise

    def __contains__(self, name: object) -> bool:
        """Return whether a trial with the fixed overrides alone has `name`."""
        try:
            self._configs.value(self._fixed, self._key(str(name)))
        except Absent:
            return False
        except SpaceError:
            # It has one, which only a running trial knows.
            return True
        return True

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the config that is composed without the swept values, and of those composed since."""
        yield from group_choices(self._app.config)
        yield from names_of(self._app.config)
        for config in self._configs.composed:
            yield from names_of(config)
