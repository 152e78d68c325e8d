"""What happens to jobs by themselves: dispatch, limits, warnings, kills in steps, requeues, ends."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from . import processes, report, runs
from .dependency import weigh
from .jobs import DONE, EXIT, PEND, PSUSP, STARTED, USUSP, Element, Ending, Table
from .settings import Settings

KILL_AGAIN = 0.2  # seconds; a process may be born between the look at /proc and the KILL
MEMORY_EVERY = 0.2


class Batch:
    """The cluster: its folder, its configuration at this moment, its jobs and those that run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings.read(folder)
        self.table = Table()
        self.active: dict[int, Element] = {}  # by the pid of the supervisor
        self.unheard: list[tuple[Element, int, resource.struct_rusage]] = []  # ended on hosts out of reach
        self.memory_looked = 0.0

    def reachable(self, element: Element) -> bool:
        return not set(element.hosts) & set(self.settings.unreachable_hosts)

    def find(self, text: str) -> list[Element]:
        """The elements that an id names, but for those that the cluster has lost sight of."""
        return [element for element in self.table.find(text) if not self.is_lost(element)]

    def is_lost(self, element: Element) -> bool:
        return bool({"all", str(element.job.id), element.batch_id} & set(self.settings.lost))

    def busy(self) -> bool:
        return bool(self.active or self.unheard or any(not e.over for e in self.table.elements()))

    def step(self, now: float) -> None:
        """Everything that is due."""
        self.reap(now)
        for element in list(self.active.values()):
            if self.reachable(element):
                self._watch(element, now)
        self._look_at_memory(now)
        for element in list(self.table.elements()):
            if element.requeue_at and element.requeue_at[0] <= now:
                requeue(element, element.requeue_at[1], now, "Job has been requeued")
        self._dispatch(now)

    # Ends

    def reap(self, now: float) -> None:
        """Take in what has ended."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            element = self.active.pop(pid, None)
            if element:
                self.unheard.append((element, status, usage))
        heard = [entry for entry in self.unheard if self.reachable(entry[0])]
        self.unheard = [entry for entry in self.unheard if not self.reachable(entry[0])]
        for element, status, usage in heard:
            self._ended(element, status, usage, now)

    def _ended(self, element: Element, status: int, usage: resource.struct_rusage, now: float) -> None:
        element.pid = 0
        if element.over:  # bkill -r did not wait
            report.discard(element)
            return
        signalled = os.WIFSIGNALED(status)
        element.code = 128 + os.WTERMSIG(status) if signalled else os.waitstatus_to_exitcode(status)
        element.exited_by_itself = not signalled
        element.cpu, element.peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
        ending, spec = element.ending, element.job.spec
        if set(element.hosts) & set(self.settings.failed_hosts):
            self._lost_host(element, now)
        elif ending and ending.then in (PEND, PSUSP):
            element.reason, element.ended = ending.reason, now
            element.turn(EXIT, now, f"{report.exited(element)} The CPU time used is {element.cpu:.1f} seconds;")
            element.requeue_at = now + self.settings.requeue_exit_visible, ending.then
        elif not signalled and not ending and element.code in spec.requeue_codes:
            self._requeue_by_code(element, now)
        else:
            self._finish(element, now)

    def _finish(self, element: Element, now: float) -> None:
        ending = element.ending
        state = DONE if element.code == 0 else (ending.then if ending else EXIT)
        if state == EXIT:
            element.reason = ending.reason if ending else "TERM_RUNLIMIT" if element.limited else ""
        finish(element, state, now)
        report.deliver(element, self.settings, self.folder)
        report.discard(element)

    def _lost_host(self, element: Element, now: float) -> None:
        if element.job.spec.rerunnable:
            element.restarted = True
            requeue(element, PEND, now, "Job is waiting to be rerun after its host failed")
        else:
            element.reason, element.code = self.settings.failed_host_reason, None
            finish(element, EXIT, now)

    def _requeue_by_code(self, element: Element, now: float) -> None:
        element.requeues += 1
        if element.code in element.job.spec.exclude_codes:
            element.excluded.update(element.hosts)
        most = self.settings.max_job_requeue
        state = PSUSP if most and element.requeues >= most else PEND
        requeue(element, state, now, f"Requeued job is waiting for rescheduling;(exit code {element.code})")

    # Limits

    def _watch(self, element: Element, now: float) -> None:
        if set(element.hosts) & set(self.settings.failed_hosts):
            processes.send(element.pid, "KILL")
            return
        if element.ending is None:
            self._check_run_limit(element, now)
        ending = element.ending
        while ending and ending.steps and ending.steps[0][0] <= now:
            _, name = ending.steps.pop(0)
            processes.send(element.pid, name)
            if name == "KILL" and not ending.steps:
                ending.steps.append((now + KILL_AGAIN, "KILL"))

    def _check_run_limit(self, element: Element, now: float) -> None:
        spec, minute = element.job.spec, self.settings.minute
        if spec.run_limit is None:
            return
        factor = 1.0 if self.settings.says_yes("ABS_RUNLIMIT") else self.settings.cpu_factor
        left = spec.run_limit * minute / factor - element.run_seconds(now)
        if spec.warning and not element.warned and left <= spec.warning[1] * minute:
            element.warned = True
            element.events.append((now, f"Job warning action <{spec.warning[0]}> is taken"))
            processes.send(element.pid, spec.warning[0])
        if left <= 0 and not element.limited:
            element.limited = True
            element.events.append((now, "Signal <USR2> is sent: the run limit is reached"))
            processes.send(element.pid, "USR2")
        if left <= -self.settings.grace_minutes * minute:
            self.end(element, "TERM_RUNLIMIT", now)

    def _look_at_memory(self, now: float) -> None:
        if now - self.memory_looked < MEMORY_EVERY:
            return
        self.memory_looked = now
        whole_job = self.settings.says_yes("LSB_JOB_MEMLIMIT")
        for element in self.active.values():
            limit = element.job.spec.memory_limit
            if limit and element.ending is None:
                sizes = processes.below(element.pid).values()
                if (sum(sizes) if whole_job else max(sizes, default=0)) > limit:
                    self.end(element, "TERM_MEMLIMIT", now, at_once=True)

    def end(self, element: Element, reason: str, now: float, then: str = EXIT, at_once: bool = False) -> None:
        """Start to kill what runs: INT, TERM, KILL; KILL alone for a parallel job unless lsf.conf says otherwise."""
        sequential = element.job.spec.slots == 1 or self.settings.says_yes("LSB_USE_SEQUENTIAL_SIGNAL")
        steps = [(now, "KILL")]
        if sequential and not at_once:
            gap = self.settings.terminate_interval
            awake = [(now, "CONT")] if element.state == USUSP else []
            steps = [(now, "INT"), *awake, (now + gap, "TERM"), (now + 2 * gap, "KILL")]
        element.ending = Ending(reason, steps, then)

    # Dispatch

    def _dispatch(self, now: float) -> None:
        waiting = [e for e in self.table.elements() if e.state == PEND]
        if not waiting:
            return
        free = self._free_slots()
        running: dict[int, int] = {}
        for element in self.table.elements():
            running[element.job.id] = running.get(element.job.id, 0) + (element.state in STARTED)
        for element in sorted(waiting, key=lambda e: e.order):
            spec = element.job.spec
            if now < element.submitted + self.settings.dispatch_delay:
                continue
            if not self._dependency_met(element, now):
                continue
            if spec.array_limit and running[element.job.id] >= spec.array_limit:
                element.pend_reason = "The job array has reached its running element limit"
                continue
            hosts = self._place(element, free)
            gpus = self._pick_gpus(element, hosts[0]) if hosts else None
            if not hosts or gpus is None:
                element.pend_reason = "Not enough job slots or resources on any host"
                continue
            runs.start(element, hosts, gpus, self.settings, self.folder, now)
            self.active[element.pid] = element
            running[element.job.id] += 1
            free = self._free_slots()

    def _dependency_met(self, element: Element, now: float) -> bool:
        spec = element.job.spec
        if not spec.dependency:
            return True
        verdict = weigh(spec.dependency, self.table, element)
        element.pend_reason = "Job dependency condition not satisfied"
        if not verdict.true and not verdict.possible:
            element.pend_reason = "Dependency condition invalid or never satisfied"
            if spec.dies_with_dependency:
                element.reason = "TERM_ORPHAN_SYSTEM"
                finish(element, EXIT, now)
        return verdict.true

    def _free_slots(self) -> dict[str, int]:
        settings = self.settings
        out = set(settings.unreachable_hosts) | set(settings.failed_hosts)
        free = {name: host.get("slots", 1) for name, host in settings.hosts.items() if name not in out}
        for element in self.active.values():
            alone = element.job.spec.exclusive
            for host in element.hosts:
                if host in free:
                    free[host] = 0 if alone else free[host] - 1
        return free

    def _place(self, element: Element, free: dict[str, int]) -> list[str]:
        """One host for each slot, or nothing."""
        spec = element.job.spec
        names = [h for h in free if h not in element.excluded and (not spec.hosts or h in spec.hosts)]
        if spec.exclusive:
            taken = {host for other in self.active.values() for host in other.hosts}
            names = [h for h in names if h not in taken]
        placed: list[str] = []
        for name in names:
            room = max(0, free[name])
            if spec.gpus and self._pick_gpus(element, name) is None:
                continue
            if spec.one_host and room < spec.slots:
                continue
            if spec.ptile and not spec.one_host:
                room = spec.ptile if room >= min(spec.ptile, spec.slots - len(placed)) else 0
            placed += [name] * min(room, spec.slots - len(placed))
            if len(placed) == spec.slots:
                return placed
        return []

    def _pick_gpus(self, element: Element, host: str) -> list[int] | None:
        """The least used of the host's GPUs, none that another job has for itself."""
        spec = element.job.spec
        if not spec.gpus:
            return []
        uses = dict.fromkeys(range(self.settings.hosts[host].get("gpus", 0)), 0)
        for other in self.active.values():
            if other.hosts and other.hosts[0] == host:
                for gpu in other.gpus:
                    if other.job.spec.gpus_exclusive or spec.gpus_exclusive:
                        uses.pop(gpu, None)
                    elif gpu in uses:
                        uses[gpu] += 1
        chosen = sorted(uses, key=lambda gpu: (uses[gpu], gpu))[: spec.gpus]
        return sorted(chosen) if len(chosen) == spec.gpus else None


def finish(element: Element, state: str, now: float) -> None:
    """The element is over."""
    element.ended, element.requeue_at = now, None
    if state == DONE:
        element.reason = ""
        events = ["Done successfully. The CPU time used is {0:.1f} seconds;", "Completed <done>."]
    else:
        why = f"; {report.reason_text(element.reason)}" if element.reason else ""
        events = [report.exited(element) + " The CPU time used is {0:.1f} seconds;", f"Completed <exit>{why or '.'}"]
    element.turn(state, now)
    element.events += [(now, text.format(element.cpu)) for text in events]


def requeue(element: Element, state: str, now: float, event: str) -> None:
    """Back to the top of the queue; the output of the run is not kept."""
    if element.spool:
        report.discard(element)
    element.ending = element.requeue_at = element.started = element.ended = element.code = None
    element.reason, element.hosts, element.gpus = "", [], []
    element.order = (element.order[0], 0, element.order[2])
    element.pend_reason = "Requeued job is waiting for rescheduling"
    element.turn(state, now, f"Pending: {event}")
