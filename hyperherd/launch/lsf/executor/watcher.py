"""submitit's watcher for LSF: one query for all jobs; without an answer their states stay as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from submitit.core import core, logger

from hyperherd.launch.lsf.tracker import Seen, Tracker
from hyperherd.schedulers import SchedulerUnavailable


class LsfInfoWatcher(core.InfoWatcher):  # type: ignore[misc]
    """Asks about all jobs of a program at once; the :class:`~hyperherd.launch.lsf.tracker.Tracker` knows the rest.

    The info of a job is a dict: ``State`` in submitit's words; ``Stat``, ``ExitCode``, ``ExitReason`` and ``Host`` in
    LSF's; ``Note``; and all of it for people, ``Words``.
    """

    def __init__(self, delay_s: int = 60) -> None:
        super().__init__(delay_s)
        self.markers: dict[str, Path] = {}
        self.tracker = Tracker(marker_of=self.markers.get)

    def get_state(self, job_id: str, mode: str = "standard") -> str:
        """Return the state of a job in submitit's words; ``mode`` is force, standard or cache."""
        return str(self.get_info(job_id, mode=mode).get("State", "UNKNOWN"))

    def update(self) -> None:
        """Ask LSF about every job that has not ended."""
        open_jobs = self._registered - self._finished
        if not open_jobs:
            return
        self._num_calls += 1
        try:
            seen = self.tracker.poll(open_jobs)
        except SchedulerUnavailable as silence:
            logger.get_logger().warning(f"LSF does not answer; the states of jobs may be out of date: {silence}")
        else:
            self._info_dict.update({job_id: _info(one) for job_id, one in seen.items()})
        self._last_status_check = core._time.time()
        self._finished |= {job_id for job_id in open_jobs if self.is_done(job_id, mode="cache")}

    def clear(self) -> None:
        """Forget everything; see :meth:`submitit.core.core.InfoWatcher.clear`."""
        super().clear()
        self.tracker = Tracker(self.tracker.patience, self.tracker.timing, marker_of=self.markers.get)


def _info(seen: Seen) -> dict[str, Any]:
    info = {"State": seen.state, "Note": seen.note, "Words": seen.words}
    if seen.row is not None:
        code = "" if seen.row.exit_code is None else str(seen.row.exit_code)
        info |= {"Stat": seen.row.stat, "ExitCode": code, "ExitReason": seen.row.reason, "Host": seen.row.host or ""}
    return info
