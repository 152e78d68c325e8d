"""Real sweeps tell a real receiver what happens, whatever it does with it, and nothing secret is left behind."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

import pytest
from conftest import App, Sweep
from receiver import Receiver, found_in, receiver

from hyperherd import load
from hyperherd.paths import SweepPaths

pytest.importorskip("apprise")

NOTIFY = "hydra.sweeper.notify=${oc.env:NOTIFY_URL}"
LOCAL = ("hydra/launcher=herd_local", "hydra.launcher.max_parallel=1")
BODY = """
    import hyperherd
    hyperherd.log_result("val/acc", cfg.lr, 1)
    if cfg.lr == 1:
        hyperherd.alert("loss is NaN @everyone <!channel> \\x1b[31m" + "x" * 3000, "error")
    if cfg.lr == 2 and "FIXED" not in os.environ:
        raise ValueError("no <b>such</b> thing, @here")
"""


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with receiver() as found:
        yield found


def said(sweep: Sweep) -> str:
    return sweep.done.stdout + sweep.done.stderr


@pytest.mark.slow
def test_what_happens_is_told_once_and_what_is_secret_stays_out(app: App, there: Receiver) -> None:
    app.write(BODY)
    few = ("lr=1,2,3", "hydra.sweeper.stop_after_failures=1", *LOCAL, NOTIFY)
    sweep = app.sweep(*few, code=1, NOTIFY_URL=there.url)
    assert sorted(there.titles) == [
        "sweep s finished: 1 completed, 1 failed, 1 cancelled",
        "sweep s stopped: 1 completed, 1 failed, 1 cancelled",
        "sweep s: error from trial 0",
        "sweep s: first failure",
    ]
    assert [message["type"] for message in there.received if "finished" in message["title"]] == ["warning"]
    assert "trial 1 (lr=2)\nexception: ValueError: no ‹b›such‹/b› thing, @\u200bhere" in there.body("first failure")
    alert = there.body("error from")
    assert alert.startswith("error, trial 0 (lr=1): loss is NaN @\u200beveryone ‹!channel› \\x1b[31mxxx")
    assert len(alert) < 2000
    assert "stop_after_failures" in there.body("stopped")
    for message in there.received:
        assert f"herd-results {shlex.quote(str(sweep.dir))}" in message["message"]
        assert "3 trials" in message["message"]
        assert not set(message["message"]) & set("\x1b\x00`<>")
    assert "error: loss is NaN @everyone" in said(sweep)

    # Again: nothing that was told is repeated, and a sweep with nothing to do is silent.
    there.received.clear()
    assert set(app.sweep(*few, NOTIFY_URL=there.url, FIXED="1").states.values()) == {"completed"}
    assert there.titles == ["sweep s finished: 3 completed"]
    app.sweep(*few, NOTIFY_URL=there.url, FIXED="1")
    assert len(there.received) == 1

    assert found_in(app.folder) == []
    assert not any(text in said(sweep) for text in (there.url, "s3cret"))
    written = json.loads(SweepPaths(sweep.dir).sweep.read_text())["invocations"][0]["argv"]
    assert NOTIFY in written
    [alerting] = [trial for trial in load(sweep.dir) if trial.alerts]
    assert (alerting.number, alerting.alert_counts) == (0, {"error": 1})


@pytest.mark.slow
def test_an_alert_is_sent_while_a_launcher_keeps_the_sweep_waiting(app: App, there: Receiver) -> None:
    """Hydra's basic launcher returns to the sweep when the last trial has ended; the trial waits for the message."""
    there.touches = app.folder / "arrived"
    app.write(f"""
        import hyperherd
        hyperherd.alert("look at this", "warning")
        deadline = time.monotonic() + 200
        while not os.path.exists({str(there.touches)!r}):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        sys.exit(3 * (cfg.lr == 2))
    """)
    urls = app.folder / "urls.txt"
    urls.write_text(f"# mine\n{there.url}\n")
    app.sweep("lr=1,2", "hydra/launcher=basic", "hydra.sweeper.notify=[urls.txt]", code=1)
    assert there.titles[0] == "sweep s: warning from trial 0"
    assert sorted(there.titles)[0] == "sweep s finished: 1 completed, 1 failed"
    assert "sweep s: first failure" in there.titles
    urls.unlink()
    assert found_in(app.folder) == []


@pytest.mark.slow
def test_receivers_that_fail_cost_a_sweep_nothing_but_a_line_each(app: App, there: Receiver) -> None:
    app.write(BODY)
    with receiver() as refusing:
        refusing.status = 500
        absent = "json://127.0.0.1:9/"
        urls = "\n".join([refusing.url, absent, there.url])
        sweep = app.sweep("lr=1,3", *LOCAL, NOTIFY, NOTIFY_URL=urls)
    assert set(sweep.states.values()) == {"completed"}
    assert "sweep s finished: 2 completed" in there.titles
    assert "sweep s: error from trial 0" in there.titles
    assert len(there.titles) == 2  # who got it does not get it again because others did not
    told = [line for line in said(sweep).splitlines() if "notifications:" in line]
    assert sorted(line.partition("notifications: ")[2].partition(";")[0] for line in told) == [
        "hydra.sweeper.notify[0] (address 1, json): the receiver answered 500",
        "hydra.sweeper.notify[0] (address 2, json): no connection, or no answer",
    ]
    assert found_in(app.folder) == []


@pytest.mark.slow
def test_a_receiver_that_hangs_does_not_keep_a_sweep(app: App, there: Receiver) -> None:
    there.hangs = True
    app.write(BODY)
    sweep = app.sweep("lr=1,3", *LOCAL, NOTIFY, NOTIFY_URL=there.url)
    assert set(sweep.states.values()) == {"completed"}
    assert there.asked
    assert "notifications: not all were sent within 10 s" in said(sweep)


def test_an_address_is_refused_before_anything_is_written_and_not_repeated(app: App) -> None:
    done = app.sweep("lr=1", "hydra.sweeper.notify=tgram://123456:ABCDEF/77", code=1).done
    assert "hydra.sweeper.notify[0] is the address itself (tgram://), which may hold a credential" in done.stderr
    assert "ABCDEF" not in done.stdout + done.stderr
    assert not (app.folder / "multirun").exists()
