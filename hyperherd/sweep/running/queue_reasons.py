"""Why jobs wait in a queue: noted when it changes, and a warning where they would wait for ever."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping

from hyperherd.escape import one_line
from hyperherd.launch.base import WaitingJob
from hyperherd.plural import counted
from hyperherd.sweep.running.collect import Collector

_SHOWN = 5

log = logging.getLogger("hyperherd")


class QueueReasons:
    """Notes the reasons of one launch's jobs."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._noted: dict[int, WaitingJob] = {}
        self._warned: set[str] = set()

    def note(self, waiting: Mapping[int, WaitingJob]) -> None:
        """Note the reasons that are new; warn once of each that does not resolve by itself."""
        stuck: dict[str, list[str]] = defaultdict(list)
        for number, job in waiting.items():
            if self._noted.get(number) != job:
                self._noted[number] = job
                self._collector.waits(number, job)
            if job.is_stuck and job.reason not in self._warned:
                stuck[job.reason].append(job.job_id)
        for reason, job_ids in stuck.items():
            self._warned.add(reason)
            more = ", ..." if len(job_ids) > _SHOWN else ""
            log.warning(
                "%s will not start unless somebody acts: %s (%s%s)",
                counted(len(job_ids), "queued job"),
                one_line(reason),
                ", ".join(job_ids[:_SHOWN]),
                more,
            )
