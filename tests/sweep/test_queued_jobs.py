"""Which job of a trial is in a queue, as its events show it."""

from __future__ import annotations

from hyperherd.records.events import Event
from hyperherd.records.sweep import PlannedTrial
from hyperherd.sweep.resuming.reconcile import queued_job

TRIAL = PlannedTrial(0, "k", "n", (), {})


def _event(name: str, batch: str | None = None, job_id: str | None = None) -> Event:
    return Event(name, 0, 0, job_name=batch, job_id=job_id, launcher="herd_slurm", cluster="here")


def test_the_last_submission_counts_and_what_was_postponed_is_in_no_queue() -> None:
    first = [_event("submitting", "a-1"), _event("submitted", job_id="7")]
    job = queued_job(TRIAL, first)
    assert job is not None
    assert (job.batch, job.job_id, job.cluster) == ("a-1", "7", "here")
    second = [*first, _event("submitting", "a-2")]
    job = queued_job(TRIAL, second)
    assert job is not None
    assert (job.batch, job.job_id) == ("a-2", None)
    postponed = [*second, _event("postponed")]
    assert queued_job(TRIAL, postponed) is None
    job = queued_job(TRIAL, [*postponed, _event("submitting", "a-3")])
    assert job is not None
    assert job.batch == "a-3"
