from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import starting
from conftest import App
from results.builder import SweepBuilder
from waiting import PATIENCE, until

from hyperherd import load
from hyperherd.errors import SweepError
from hyperherd.metrics.consolidate.compact import compact
from hyperherd.paths import SweepPaths
from hyperherd.records import lock as lock_module
from hyperherd.records.lock import SweepLock, is_held, lock_holder, may_start_trials
from hyperherd.records.status import process_started
from hyperherd.results.tables.changes import has_ended

HERE = {"host": socket.gethostname(), "pid": os.getpid(), "pid_started": process_started(os.getpid())}


@pytest.mark.parametrize(
    ("written", "held"),
    [
        pytest.param(json.dumps(HERE), True, id="this process"),
        pytest.param(json.dumps({**HERE, "pid_started": 1.0}), False, id="an earlier process of its number"),
        pytest.param(json.dumps({**HERE, "pid_started": "early"}), True, id="no start time"),
        pytest.param(json.dumps({**HERE, "pid": 2**22 + 1}), False, id="gone"),
        pytest.param(json.dumps({**HERE, "host": "elsewhere"}), True, id="another host"),
        # No sweep writes such a lock.
        pytest.param(json.dumps({**HERE, "pid": "7"}), False, id="a text for its number"),
        pytest.param(json.dumps({**HERE, "pid": None}), False, id="no number"),
        pytest.param(json.dumps({**HERE, "pid": -1}), False, id="a number of no process"),
        (json.dumps({"pid": 2**22 + 1}), False),
        # What says nothing holds nothing.
        ("{}", False),
        ("[]", False),
        ("torn", False),
        ("", False),
    ],
)
def test_all_who_ask_get_the_same_answer(tmp_path: Path, written: str, held: bool) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial()
    lock = SweepPaths(sweep.dir).lock
    lock.write_text(written)
    assert is_held(sweep.dir) is held
    assert has_ended(load(sweep.dir)) is not held
    if held:
        with pytest.raises(SweepError, match="is still running"):
            compact(sweep.dir)
        with pytest.raises(SweepError, match="another sweep is running in"):
            SweepLock(sweep.dir).take()
        assert lock.read_text() == written
    else:
        compact(sweep.dir)
        ours = SweepLock(sweep.dir)
        ours.take()
        assert is_held(sweep.dir)
        ours.release()
        assert not lock.exists()


def test_a_lock_that_cannot_be_read_is_taken_for_held(tmp_path: Path) -> None:
    lock = SweepPaths(tmp_path).lock
    lock.parent.mkdir()
    lock.symlink_to(lock)  # reading fails for root as well
    assert is_held(tmp_path)


def test_a_directory_without_a_lock_or_that_is_none_is_not_held(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    (tmp_path / "file").touch()
    assert not is_held(tmp_path / "file")


def test_the_lock_of_another_is_not_released(tmp_path: Path) -> None:
    ours = SweepLock(tmp_path)
    ours.take()
    SweepPaths(tmp_path).lock.write_text(json.dumps({**HERE, "nonce": "another"}))
    ours.release()
    assert is_held(tmp_path)


def test_the_lock_of_a_process_that_is_gone_is_taken_over(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from hyperherd.records.lock import SweepLock; "
    code += "SweepLock(Path(sys.argv[1])).take()"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=30)
    assert SweepPaths(tmp_path).lock.exists()
    assert not is_held(tmp_path)
    SweepLock(tmp_path).take()
    assert is_held(tmp_path)
    assert [path.name for path in SweepPaths(tmp_path).records.iterdir()] == ["sweep.lock"]


ELSEWHERE = {"host": "node17", "pid": 4711, "pid_started": 1.0}
DAYS = 3 * 86400.0


def put_lock(sweep_dir: Path, kind: str) -> Path:
    """Write the lock of a process on another host, as this version or an earlier one does, alive or dead.

    An earlier version wrote the time at its start and never touched the lock again.
    """
    now, lock = time.time(), SweepPaths(sweep_dir).lock
    started, touched, more = {
        "new, alive": (now - DAYS, now, {"beat": 30.0}),
        "new, dead": (now, now - DAYS, {"beat": 30.0}),
        "old, alive": (now, now - DAYS, {}),
        "old, dead": (now - DAYS, now, {}),
    }[kind]
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(json.dumps({**ELSEWHERE, "time": started, **more}))
    os.utime(lock, (touched, touched))
    return lock


def command(*arguments: object) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "hyperherd.cli", *map(str, arguments)]
    return starting.start(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("kind", ["new, alive", "new, dead", "old, alive", "old, dead"])
def test_a_process_elsewhere_is_judged_by_its_last_sign_of_life(tmp_path: Path, kind: str) -> None:
    lock = put_lock(tmp_path, kind)
    holder = lock_holder(tmp_path)
    assert holder is not None
    assert holder.is_silent is ("dead" in kind)
    assert may_start_trials(tmp_path) is not holder.is_silent
    with pytest.raises(SweepError) as refused:
        SweepLock(tmp_path).take()
    assert "process 4711 on node17" in str(refused.value)
    assert f"delete {lock}" in str(refused.value)
    assert ("3 days ago" in str(refused.value)) is holder.is_silent
    assert json.loads(lock.read_text())["host"] == "node17"


@pytest.mark.parametrize("kind", ["new, dead", "old, dead"])
def test_nothing_waits_for_a_dead_sweep_elsewhere_and_all_say_what_to_do(app: App, kind: str) -> None:
    sweep = SweepBuilder(app.folder / "multirun" / "s")
    sweep.trial(params={"lr": 1})
    sweep.running(silent=1000, params={"lr": 2})
    sweep.plan(lr=3)
    sweep.event(2, "submitting")
    lock = put_lock(sweep.dir, kind)
    started = {name: command(name, sweep.dir) for name in ("watch", "compact", "cancel")}
    told = {name: process.communicate(timeout=PATIENCE)[0] for name, process in started.items()}
    again = app.run("-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s", "lr=1,2,3")
    assert again.returncode == 1
    for name, text in {**told, "going on": again.stdout + again.stderr}.items():
        assert "process 4711 on node17" in text, (name, text)
        plain = text.replace('\\"', '"').replace(r"\n", "\n")  # one of them writes JSON
        assert " ".join(f"delete {lock}".split()) in " ".join(plain.split()), (name, text)
    assert all(process.returncode for process in started.values()), told
    assert [str(trial.state) for trial in load(sweep.dir)] == ["completed", "stalled", "waiting"]
    assert list(SweepPaths(sweep.dir).records.glob("requests/*")) == []


@pytest.mark.parametrize("kind", ["new, alive", "old, alive"])
def test_a_sweep_elsewhere_that_lives_is_waited_for_and_asked(tmp_path: Path, kind: str) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.plan(lr=3)
    sweep.plan(lr=4)
    sweep.event(0, "submitting")
    sweep.event(1, "submitting")
    lock = put_lock(sweep.dir, kind)
    watch = command("watch", sweep.dir, "--every", "0.1")
    assert watch.stdout is not None
    assert json.loads(watch.stdout.readline())["state"] == "submitted"
    cancel = command("cancel", sweep.dir, "--only", "0")
    requests = SweepPaths(sweep.dir).requests
    until(lambda: list(requests.glob("cancel-*.json")), cancel)
    sweep.event(0, "cancelled")  # as the sweep does
    for request in requests.glob("cancel-*.json"):
        request.unlink()
    assert cancel.communicate(timeout=PATIENCE)[0] == "cancelled 1 trial: 0\n"
    assert watch.poll() is None
    lock.unlink()
    told, _ = watch.communicate(timeout=PATIENCE)
    assert '"waiting": 1' in told
    assert "node17" not in told


def test_a_holder_touches_its_lock_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = SweepLock(tmp_path)
    ours.take()
    lock = SweepPaths(tmp_path).lock
    content = lock.read_bytes()
    os.utime(lock, (1, 1))
    ours.beat()
    assert lock.stat().st_mtime > 1
    os.utime(lock, (1, 1))
    ours.beat()  # just now
    assert lock.stat().st_mtime == 1
    monkeypatch.setattr(lock_module, "BEAT", 0.02)
    with ours.beating():
        until(lambda: lock.stat().st_mtime > 1)
    assert lock.read_bytes() == content
    lock.unlink()
    ours.beat()
    assert not lock.exists()


@pytest.mark.parametrize("launcher", ["basic", "herd_local"])
def test_a_sweep_touches_its_lock_while_its_trials_run(app: App, launcher: str) -> None:
    app.write("while not os.path.exists(os.environ['GO']): time.sleep(0.02)")
    script = app.script.read_text()
    app.script.write_text("import hyperherd.records.lock\nhyperherd.records.lock.BEAT = 0.05\n" + script)
    go, lock = app.folder / "go", SweepPaths(app.folder / "multirun/s").lock
    arguments = ("-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s", f"hydra/launcher={launcher}", "lr=1")
    process = app.start(*arguments, GO=str(go))
    until((app.folder / "multirun/s/0/.hyperherd/trial.json").exists, process)
    os.utime(lock, (1, 1))
    until(lambda: lock.stat().st_mtime > 1, process)
    go.touch()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert not lock.exists()
