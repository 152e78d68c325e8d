"""What is told of the files of a sweep, and what is not; a real helper sends it to a real receiver."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from receiver import Receiver, receiver
from results.builder import SweepBuilder
from waiting import until

from hyperherd.records.states import TrialState
from hyperherd.records.status import SILENCE, TrialStatus
from hyperherd.results.loading.load import load_trials
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.sweep.notify_settings import EVENTS, Address
from hyperherd.sweep.notifying.message import BODY, TITLE, Message, inert
from hyperherd.sweep.notifying.notifier import LaunchView, Notifier
from hyperherd.sweep.notifying.outbox import Outbox
from hyperherd.sweep.notifying.table_head import NewBest, new_best
from hyperherd.sweep.notifying.told import Told
from hyperherd.trial.alerts import AlertBook

pytest.importorskip("apprise")


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with receiver() as found:
        yield found


class Kept(Outbox):
    """An outbox from which nothing is sent, and in which all that was put stays."""

    def __init__(self, sweep_dir: Path) -> None:
        super().__init__(sweep_dir, "s", [], Told(sweep_dir))
        self.messages: list[Message] = []

    def put(self, message: Message) -> None:
        self.messages.append(message)
        self.told.note(message.settles)

    def pump(self) -> None:
        pass


@contextmanager
def watching(sweep: SweepBuilder, outbox: Outbox, statuses: dict[int, TrialStatus], *failed: int) -> Iterator[Notifier]:
    notifier = Notifier(sweep.dir, "s", frozenset(EVENTS), outbox)
    trials = {trial.number: trial for trial in sweep.planned}
    view = LaunchView(trials, lambda: trials.keys() - statuses.keys(), statuses, lambda: failed, lambda: "")
    with notifier.watching(view):
        yield notifier


def test_a_trial_that_fell_silent_is_told_once_also_by_a_sweep_that_goes_on(tmp_path: Path, there: Receiver) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.running(params={"lr": 0.1, "api_key": "t0psecret"})
    sweep.running(params={"lr": 0.2})
    long_ago = time.time() - SILENCE - 60
    os.utime(sweep.dir / "0/.hyperherd/trial.json", (long_ago, long_ago))
    outbox = Outbox(sweep.dir, "s", [Address("a", there.url)], Told(sweep.dir))
    with watching(sweep, outbox, {}) as notifier:
        notifier.refresh()
        until(lambda: (outbox.pump(), there.received)[1])
    outbox.close(60)
    assert there.titles == ["sweep s: 1 stalled trial"]
    assert there.body("stalled").startswith("trial 0 (lr=0.1 api_key=‹masked›): silent for 4m")
    kept = Kept(sweep.dir)
    with watching(sweep, kept, {}) as notifier:
        notifier.refresh()
    assert kept.messages == []


def test_alerts_that_keep_coming_are_gathered_and_none_is_left_out(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    for number in range(3):
        sweep.running(params={"lr": number})
    books = [AlertBook(sweep.dir / str(number), 0) for number in range(3)]
    kept = Kept(sweep.dir)
    with watching(sweep, kept, {}) as notifier:
        books[0].add("first", "info")
        notifier.refresh()
        for number, book in enumerate(books):
            for count in range(3):
                book.add(f"later {number}.{count}", "info")
        books[1].add("this is bad", "error")
        notifier._due = 0.0
        notifier.refresh()
        assert [message.title for message in kept.messages] == ["sweep s: info from trial 0"]
    assert [message.title for message in kept.messages] == ["sweep s: info from trial 0", "sweep s: 10 alerts"]
    last = kept.messages[-1]
    assert (last.level, last.lines[0], last.lines[-1]) == (
        "failure",
        "error, trial 1 (lr=1): this is bad",
        "and 5 more alerts",
    )
    books[2].add("after that", "warning")
    again = Kept(sweep.dir)
    with watching(sweep, again, {}):
        pass
    assert [message.lines for message in again.messages] == [("warning, trial 2 (lr=2): after that",)]


def test_the_last_alert_of_a_trial_that_ran_on_is_told(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.running()
    kept, statuses = Kept(sweep.dir), {0: TrialStatus(TrialState.PAUSED, 0)}
    with watching(sweep, kept, statuses) as notifier:
        notifier.refresh()
        AlertBook(sweep.dir / "0", 1).add("at last", "info")
        statuses[0] = TrialStatus(TrialState.COMPLETED, 1)
    assert [message.title for message in kept.messages] == ["sweep s: info from trial 0"]


def test_a_failure_that_was_told_is_not_told_again_but_its_next_attempt_is(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    for _ in range(2):
        sweep.failed()
    failed = {number: TrialStatus(TrialState.FAILED, 0, None, "boom") for number in range(2)}
    for attempt, told in ((0, 1), (0, 1), (1, 1)):
        kept = Kept(sweep.dir)
        statuses = {number: TrialStatus(TrialState.FAILED, attempt, None, "boom") for number in failed}
        with watching(sweep, kept, statuses, *failed) as notifier:
            notifier.refresh()
        assert len(kept.messages) == told
        assert kept.messages[0].title == "sweep s: first failure"


def collection(sweep: SweepBuilder) -> TrialCollection:
    return TrialCollection(load_trials([sweep.dir]))


def test_a_best_by_a_guess_or_of_one_is_not_announced(tmp_path: Path) -> None:
    guessed = SweepBuilder(tmp_path / "guessed", objective=None)
    for number in range(3):
        guessed.trial({"val/acc": number / 10}, params={"lr": number})
    assert collection(guessed).objective is not None
    assert new_best(collection(guessed), "") is None
    alone = SweepBuilder(tmp_path / "alone")
    alone.trial({"val/acc": 0.5}, params={"lr": 1})
    alone.running({"val/acc": 0.9}, params={"lr": 2})
    assert new_best(collection(alone), "") is None


def test_a_new_best_is_announced_with_its_doubt_and_once(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", seed_key="seed")
    for lr, values in ((1, (0.5, 0.6)), (2, (0.8, 0.7))):
        for seed, value in enumerate(values):
            sweep.trial({"val/acc": value}, params={"lr": lr, "seed": seed})
    found = new_best(collection(sweep), "")
    assert isinstance(found, NewBest)
    assert found.lines[0] == "lr=2: val/acc 0.75 (mean of 2 of 2 trials)"
    assert found.lines[1].startswith("ranked by val/acc, higher is better")
    assert "distinguishable from" in found.lines[2]
    assert new_best(collection(sweep), found.key) is None
    sweep.trial({"val/acc": 0.71}, params={"lr": 2, "seed": 2})
    assert new_best(collection(sweep), found.key) is None  # the same one, with another value


def test_texts_of_runs_mention_nobody_and_are_short() -> None:
    assert inert("@here <b>`x`</b>\n\x1b[31m") == "@\u200bhere ‹b›'x'‹/b› \\x1b[31m"
    assert len(inert("x" * 10_000)) == 300
    assert (
        inert("401 for https://me:abc@host/x with hf_0123456789abcdefgh")
        == "401 for https://me:‹masked›@\u200bhost/x with ‹masked›"
    )
    assert "hf_" not in inert("x" * 290 + " hf_0123456789abcdefgh")
    assert TITLE < BODY < 2000


def test_a_process_that_was_forked_from_the_sweep_sends_nothing(tmp_path: Path, there: Receiver) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({"val/acc": 0.5})
    outbox = Outbox(sweep.dir, "s", [Address("a", there.url)], Told(sweep.dir))
    outbox.put(Message("once"))
    if (child := os.fork()) == 0:
        outbox.pump()
        os._exit(len(outbox._helpers))
    assert os.waitpid(child, 0)[1] == 0
    outbox.close(60)
    assert there.titles == ["once"]
