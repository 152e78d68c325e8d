"""The limits of arrays: a running array makes room under the cap for jobs that are to run before its own, and back."""

from __future__ import annotations

from contextlib import suppress

from hyperherd.launch.cluster.arrays import ConcurrencyCap
from hyperherd.launch.cluster.base import Cluster
from hyperherd.launch.cluster.watch import Watch
from hyperherd.schedulers import SchedulerUnavailable


class ArrayLimits:
    """Changes how many jobs of the arrays of one launcher may run at once.

    Args:
        cluster: that runs them.
        cap: on all of them together.
        watch: that knows which of their jobs run.
    """

    def __init__(self, cluster: Cluster, cap: ConcurrencyCap, watch: Watch) -> None:
        self._cluster = cluster
        self._cap = cap
        self._watch = watch
        self._gives_way = False
        self._limits: dict[str, int] = {}

    def make_room(self, wanted: int) -> None:
        """Let an array that has many jobs leave room for others, which would wait for the end of all of it."""
        if not self._gives_way and (change := self._cap.narrower(wanted)):
            self.change(*change)
        self._gives_way = True

    def room_is_used(self) -> None:
        """Note that the jobs for which room was made are submitted."""
        self._gives_way = False

    def balance(self) -> None:
        """Let arrays run more of their jobs if the cap has room for them that nobody else waits for."""
        self._cap.seen({handle.job.number for handle, state in self._watch.states if state.phase == "running"})
        if not self._gives_way and (change := self._cap.wider()):
            self._limits.update([change])
        for array_id, width in [*self._limits.items()]:
            self.change(array_id, width)

    def change(self, array_id: str, width: int) -> None:
        """Change the limit of an array; what the scheduler does not answer is tried again by :meth:`balance`."""
        self._limits[array_id] = width
        with suppress(SchedulerUnavailable):  # the next poll is followed by the next try
            if self._cluster.limit_array(array_id, width):
                self._cap.limited(array_id, width)
                self._watch.poll_soon()
            else:  # it has ended, or its limit cannot be changed here
                self._cap.not_limited(array_id)
            del self._limits[array_id]
