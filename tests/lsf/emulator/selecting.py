"""Which elements a command line means: by ids, by name, queue, user, host."""

from __future__ import annotations

from fnmatch import fnmatchcase

from .jobs import Element
from .lifecycle import Batch
from .options import Parsed


def passes(parsed: Parsed, element: Element) -> bool:
    """Do -J, -q, -u, -m, -P, -app and -G let the element through?"""
    spec, asked = element.job.spec, parsed.values
    name = asked.get("J")
    if name is not None and not (fnmatchcase(spec.name, name.split("[")[0]) or element.name == name):
        return False
    if name is not None and "[" in name and element.name != name:
        return False
    user = asked.get("u", "all")
    return (
        asked.get("q", spec.queue) == spec.queue
        and (user == "all" or user == spec.user)
        and ("m" not in asked or asked["m"] in element.hosts)
        and asked.get("P", spec.project) == spec.project
        and asked.get("app", spec.app) == spec.app
        and asked.get("G", spec.group) == spec.group
    )


def filtered(parsed: Parsed, batch: Batch, past: bool = False) -> list[Element]:
    jobs = (batch.table.history if past else batch.table.jobs).values()
    return [e for job in jobs for e in job.elements if passes(parsed, e) and (past or not batch.is_lost(e))]


def shown_state(element: Element, batch: Batch) -> str:
    """The state that queries tell: the true one, but for faults and hosts out of reach."""
    shown = batch.settings.shown
    for key in (element.batch_id, str(element.job.id)):
        if key in shown:
            return shown[key]
    if element.started and not element.over and not batch.reachable(element):
        return "ZOMBI" if element.ending else "UNKWN"
    return element.state
