"""The queue and the ledgers of workers: what is written once, read by many, and broken by none."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from hyperherd.paths import SweepPaths, TrialPaths
from hyperherd.records.disk.files import read_json, replace_json
from hyperherd.records.states import TrialState
from hyperherd.records.trial import TrialRecord
from hyperherd.records.workers.ledger import Entry, Ledger, Ledgers, Roster
from hyperherd.records.workers.queue import (
    Attempt,
    Queue,
    ask_to_end,
    has_queue,
    is_in_queue,
    is_to_end,
    kind_of,
    put_in_queue,
    withdraw,
)
from hyperherd.trial.attempts import claim_for_worker, is_abandoned


def record(state: TrialState) -> TrialRecord:
    return TrialRecord(number=0, key="k", name="", overrides=(), params={}, attempt=0, state=state)


def taken(queue: Queue) -> list[tuple[int, int]]:
    queue.look()
    return [(one.number, one.attempt) for one in queue.take()]


def test_a_queue_has_what_was_put_there_in_its_order_and_for_its_kind(tmp_path: Path) -> None:
    small, large = kind_of({}), kind_of({"mem_gb": 64})
    queue, of_large, of_all = Queue(tmp_path, small), Queue(tmp_path, large), Queue(tmp_path)
    assert taken(of_all) == []
    assert not has_queue(tmp_path)
    put_in_queue(tmp_path, "b", small, [Attempt(3, 0), Attempt(1, 0)])
    os.utime(SweepPaths(tmp_path).workers / "queue/b.json", (1, 1))
    put_in_queue(tmp_path, "a", large, [Attempt(0, 1)])
    assert (taken(queue), taken(of_large), taken(of_all)) == ([(3, 0), (1, 0)], [(0, 1)], [(3, 0), (1, 0), (0, 1)])
    assert taken(queue) == []
    put_in_queue(tmp_path, "c", small, [Attempt(4, 0)])
    assert taken(queue) == [(4, 0)]


def test_what_is_withdrawn_is_not_taken(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    put_in_queue(tmp_path, "a", "", [Attempt(0, 0), Attempt(1, 0)])
    queue.look()
    assert next(queue.take()) == Attempt(0, 0)
    assert is_in_queue(tmp_path, "a")
    withdraw(tmp_path)
    assert not is_in_queue(tmp_path, "a")
    assert taken(queue) == []


def test_what_is_not_planned_yet_is_taken_again_unless_it_is_withdrawn(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    for number, name in enumerate("ab"):
        put_in_queue(tmp_path, name, "", [Attempt(number, 0)])
    queue.look()
    for attempt in queue.take():
        queue.later(attempt)
    assert list(queue.take()) == []
    withdraw(tmp_path, "a")
    assert taken(queue) == [(1, 0)]
    assert taken(queue) == []


def test_a_request_to_end_is_about_one_attempt_until_it_is_queued_again(tmp_path: Path) -> None:
    ask_to_end(tmp_path, Attempt(5, 0))
    ask_to_end(tmp_path, Attempt(5, 0))
    assert is_to_end(tmp_path, Attempt(5, 0))
    assert not is_to_end(tmp_path, Attempt(5, 1))
    put_in_queue(tmp_path, "a", "", [Attempt(5, 0)])
    assert not is_to_end(tmp_path, Attempt(5, 0))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": 1, "attempts": []}', '{"kind": "", "attempts": [[0]]}'])
def test_what_is_not_a_queue_is_passed_over(tmp_path: Path, text: str) -> None:
    put_in_queue(tmp_path, "b", "", [Attempt(0, 0)])
    (SweepPaths(tmp_path).workers / "queue/a.json").write_text(text)
    assert taken(Queue(tmp_path)) == [(0, 0)]


def test_ledgers_are_read_from_where_the_last_reading_ended(tmp_path: Path) -> None:
    ledger, ledgers = Ledger(tmp_path), Ledgers(tmp_path)
    assert list(ledgers.news()) == []
    ledger.began("12_3")
    ledger.claimed(Attempt(0, 0))
    began, claimed = ledgers.news()
    assert (began.job_id, began.pid, claimed.number) == ("12_3", os.getpid(), 0)
    [path] = (SweepPaths(tmp_path).workers / "ledgers").iterdir()
    with path.open("a") as file:
        file.write('{"event": "ended", "number": "x"}\n[]\n{"event": "ended", "num')
    assert list(ledgers.news()) == []
    with path.open("a") as file:
        file.write('ber": 0}\n')
    assert list(ledgers.news()) == [Entry(ledger.worker, "ended", 0)]


def test_a_roster_knows_who_runs_what(tmp_path: Path) -> None:
    one, other, roster = Ledger(tmp_path), Ledger(tmp_path), Roster(tmp_path)
    one.began(None)
    other.began(None)
    for ledger, number in ((one, 0), (one, 1), (other, 2), (other, 3)):
        ledger.claimed(Attempt(number, 0))
    one.ended(Attempt(0, 0), None, "")
    other.back(Attempt(2, 0), "told to end")
    other.left("told to end")
    roster.news()
    assert roster.running == {Attempt(1, 0): one.worker, Attempt(3, 0): other.worker}
    assert roster.left == {other.worker: "told to end"}
    assert not roster.is_dead(one.worker)
    path = SweepPaths(tmp_path).workers / "ledgers" / f"{one.worker}.jsonl"
    path.write_text(path.read_text().replace(f'"pid": {os.getpid()}', '"pid": 4194304'))
    again = Roster(tmp_path)
    again.news()
    assert again.is_dead(one.worker)
    assert not again.is_dead("unknown")


def test_places_are_those_of_workers_by_hand_that_are_there(tmp_path: Path) -> None:
    one, other, of_job, roster = Ledger(tmp_path), Ledger(tmp_path), Ledger(tmp_path), Roster(tmp_path)
    one.began(None, places=3)
    other.began("7", places=2)  # somebody's job, and not a sweep's
    of_job.began("8", "batch", places=10)
    assert roster.places_by_hand() == 0
    roster.news()
    assert roster.places_by_hand() == 5
    path = SweepPaths(tmp_path).workers / "ledgers" / f"{one.worker}.jsonl"
    os.utime(path, (1, 1))
    assert roster.places_by_hand() == 2
    one.beat()
    assert roster.places_by_hand() == 5
    other.left("nothing is left")
    roster.news()
    assert roster.places_by_hand() == 3


def test_of_many_workers_one_gets_an_attempt(tmp_path: Path) -> None:
    start, got = threading.Barrier(8), list[bool]()

    def claim() -> None:
        start.wait()
        got.append(claim_for_worker(tmp_path, "key", 0))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 7 + [True]
    assert claim_for_worker(tmp_path, "key", 1)
    assert not claim_for_worker(tmp_path, "key", 0)


def test_a_trial_that_is_done_is_not_claimed(tmp_path: Path) -> None:
    TrialRecord(number=0, key="k", name="", overrides=(), params={}, attempt=0, state=TrialState.COMPLETED).write(
        tmp_path
    )
    assert not claim_for_worker(tmp_path, "k", 1)


def test_a_claim_is_abandoned_when_its_process_is_gone_and_left_no_record(tmp_path: Path) -> None:
    assert not is_abandoned(tmp_path)
    assert claim_for_worker(tmp_path, "k", 0)
    assert not is_abandoned(tmp_path)
    path = TrialPaths(tmp_path).attempts / "0"
    here = read_json(path)
    replace_json(path, {**here, "pid": 4194304})
    assert is_abandoned(tmp_path)
    replace_json(path, {**here, "host": "elsewhere"})
    assert not is_abandoned(tmp_path)
    os.utime(path, (1, 1))
    assert is_abandoned(tmp_path)
    record(TrialState.FAILED).write(tmp_path)
    assert not is_abandoned(tmp_path)
