"""Notifications and alerts of trials that run as jobs of a real Slurm, and of a sweep that does not wait for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import App
from real_slurm import Slurm
from receiver import Receiver, found_in, receiver
from waiting import until

from hyperherd import load

pytestmark = pytest.mark.slow
pytest.importorskip("apprise")

HERD = ("hydra/launcher=herd_slurm", "hydra.launcher.poll_s=2", "hydra.sweeper.notify=${oc.env:NOTIFY_URL}")


BODY = """
    import hyperherd
    if cfg.width == 0:
        hyperherd.alert("look at this", "warning")
        deadline = time.monotonic() + 200
        while not os.path.exists("ARRIVED"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert cfg.width < 2
"""


@pytest.fixture
def there(app: App, slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver, for whose first message trial 0 waits."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with receiver() as found:
        found.touches = app.folder / "arrived"
        app.write(BODY.replace("ARRIVED", str(found.touches)))
        monkeypatch.setenv("NOTIFY_URL", found.url)
        yield found


def test_jobs_of_slurm_alert_and_what_is_secret_is_in_no_file(app: App, there: Receiver) -> None:
    sweep = app.sweep(*HERD, "width=range(3)", code=1)
    assert sorted(there.titles) == [
        "sweep s finished: 2 completed, 1 failed",
        "sweep s: first failure",
        "sweep s: warning from trial 0",
    ]
    assert sweep.states == {0: "completed", 1: "completed", 2: "failed"}
    assert found_in(app.folder) == []


def test_the_sweep_that_awaits_workers_sends(app: App, there: Receiver) -> None:
    app.sweep(*HERD, "width=range(2)", "hydra.launcher.workers=1")
    assert sorted(there.titles) == ["sweep s finished: 2 completed", "sweep s: warning from trial 0"]
    assert found_in(app.folder) == []


def test_without_a_sweep_that_waits_nobody_sends_and_that_is_said(app: App, there: Receiver) -> None:
    (app.folder / "arrived").touch()
    left = app.sweep(*HERD, "width=range(2)", "hydra.launcher.wait=false")
    assert "nobody waits for the trials, so nobody sends any" in left.done.stdout + left.done.stderr
    until(lambda: left.states == {0: "completed", 1: "completed"})
    assert [alert.text for alert in load(left.dir)[0].alerts] == ["look at this"]
    assert there.received == []
    app.sweep(*HERD, "width=range(2)")  # a later sweep that waits tells what nobody was told, and has nothing to run
    assert there.titles == ["sweep s: warning from trial 0"]
    assert found_in(app.folder) == []
