"""`hydra/launcher=herd_local` as a user runs it: the real command, real signals, real processes."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import App, Sweep, skip_unless_installed
from waiting import PATIENCE, until

from hyperherd import load
from hyperherd.metrics.reader import read_final, read_metrics
from hyperherd.paths import TrialPaths
from hyperherd.records.events import read_events

LOCAL = "hydra/launcher=herd_local"
STOP = "hydra.sweeper.stop_after_same_error=2"
SLEEPY = """
    from pathlib import Path
    import signal, subprocess
    if cfg.flag: signal.signal(signal.SIGTERM, lambda *_: Path(f"told-{os.getpid()}").touch())
    child = subprocess.Popen(["sleep", "600"])
    Path(f"pids-{os.getpid()}").write_text(f"{os.getpid()} {os.getppid()} {child.pid}")
    print("SLEEPING", flush=True)
    time.sleep(600)
"""


def start_sleeping(app: App, *arguments: str) -> tuple[subprocess.Popen[str], list[int]]:
    """Start a sweep of four trials, two at once, and return it with the pids below it once two of them sleep."""
    app.write(SLEEPY)
    process = app.start(
        "-m",
        "hydra/sweeper=herd",
        LOCAL,
        "hydra.sweep.dir=s",
        "lr=1,2,3,4",
        "hydra.launcher.max_parallel=2",
        *arguments,
    )
    found = lambda: [path for path in app.folder.glob("pids-*") if path.read_text()]  # noqa: E731
    until(lambda: len(found()) == 2, process)
    return process, [int(pid) for path in found() for pid in path.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def assert_gone(pids: list[int], seconds: float = 10) -> None:
    until(lambda: not any(map(is_alive, pids)), seconds=seconds)


def test_however_a_trial_dies_it_is_one_row_and_costs_no_other(app: App) -> None:
    app.write("""
        if cfg.width == 0: os.kill(os.getpid(), 11)
        if cfg.width == 1: os._exit(3)
        if cfg.width == 2: os._exit(0)
        if cfg.width == 3: os.kill(os.getpid(), 9)
        if cfg.width == 4: sys.exit(4)
        if cfg.width == 5: raise ValueError("boom")
        if cfg.width == 6: sys.exit(0)
        if cfg.width == 7: return lambda: None
        if cfg.width == 8:
            class Odd(Exception):
                def __init__(self, a, b): super().__init__(a)
            raise Odd("one", "two")
        print("here", HydraConfig.get().job.num, os.environ["HYPERHERD_TRIAL_ID"])
    """)
    sweep = app.sweep(LOCAL, "width=range(10)", code=1)
    verdicts = {event.number: event for event in read_events(sweep.dir) if event.verdict}
    assert {number: event.event for number, event in verdicts.items()} == {
        0: "signal",
        1: "exit",
        2: "exit",
        3: "signal",
    }
    assert verdicts[0].message == "killed by SIGSEGV"
    said = {number: (record.state.value, record.cause) for number, record in sweep.records.items() if number > 3}
    assert said == {
        4: ("failed", "exit"),
        5: ("failed", "exception"),
        6: ("completed", None),
        7: ("completed", None),
        8: ("failed", "exception"),
        9: ("completed", None),
    }
    told = sweep.done.stdout
    assert "3 completed, 7 failed" in told
    assert "trial 9 started: width=9" in told
    assert "trial 9 (width=9) completed after" in told or "trial 9 (width-9) completed after" in told
    assert 'raise ValueError("boom")' in told
    assert "here 9 9" not in told  # what several trials print at once would be no help to anybody
    assert TrialPaths(sweep.dir / "9").log(0, "out").read_text().startswith("here 9 9\n")


def test_no_more_trials_at_once_than_asked(app: App) -> None:
    app.write("""
        from pathlib import Path
        mine = Path(f"live-{os.getpid()}"); mine.touch()
        live = lambda: len([path for path in Path(".").glob("live-*") if Path("/proc", path.name[5:]).exists()])
        while live() < 3 and not Path("full").exists(): time.sleep(0.02)
        Path("full").touch()
        time.sleep(0.05)
        Path(f"seen-{cfg.lr}").write_text(str(live()))
        mine.unlink()
    """)
    app.sweep(LOCAL, "lr=range(8)", "hydra.launcher.max_parallel=3")
    seen = [int(path.read_text()) for path in app.folder.glob("seen-*")]
    assert len(seen) == 8
    assert max(seen) <= 3
    assert (app.folder / "full").exists()


def test_pyarrow_is_imported_once_and_only_where_rows_are_merged(app: App) -> None:
    app.write("""
        import hyperherd, threading
        print("pyarrow" in sys.modules, len(os.listdir("/proc/self/task")) - threading.active_count())
        if cfg.width: hyperherd.log_result("loss", cfg.width, step=1)
        return cfg.width
    """)
    sweep = app.sweep(LOCAL, "width=0,1,2", "hydra.launcher.max_parallel=1", "hydra.launcher.threads=1")
    printed = [TrialPaths(sweep.dir / str(number)).log(0, "out").read_text().split()[:2] for number in range(3)]
    # The second number: no thread comes with it, neither of Python's nor a native one.
    assert printed == [["False", "0"], ["False", "0"], ["True", "0"]]
    assert [read_metrics(sweep.dir / str(number))["value"].to_pylist() for number in range(3)] == [[], [1.0], [2.0]]
    assert [read_final(sweep.dir / str(number)) for number in range(3)] == [{"return_value": n} for n in range(3)]


@pytest.mark.slow
def test_many_trials(app: App) -> None:
    app.write("assert HydraConfig.get().job.num == int(os.environ['HYPERHERD_TRIAL_ID']) == cfg.width")
    sweep = app.sweep(LOCAL, "width=range(64)", "hydra.sweeper.max_batch_size=10")
    assert set(sweep.states.values()) == {"completed"}
    assert len(sweep.states) == 64


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_cancels_all_and_hears_them_out(app: App, number: signal.Signals, code: int) -> None:
    process, pids = start_sleeping(app)
    process.send_signal(number)
    told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, told
    assert "4 cancelled" in told
    assert "Traceback" not in told
    assert_gone(pids, 0)
    assert Sweep(None, app.folder / "s").states == {0: "cancelled", 1: "cancelled"}  # type: ignore[arg-type]
    assert {(event.number, event.event) for event in read_events(app.folder / "s") if event.verdict} == {
        (2, "cancelled"),
        (3, "cancelled"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_warning_of_a_scheduler_to_a_whole_job_leaves_the_last_record_of_its_trials(app: App, method: str) -> None:
    app.write("import signal; os.kill(os.getpid(), signal.SIGUSR1); time.sleep(600)")
    sweep = app.sweep(LOCAL, "width=1", f"hydra.launcher.start_method={method}", code=1)
    assert sweep.states == {0: "cancelled"}
    assert "1 cancelled" in sweep.done.stdout


def test_a_second_interrupt_waits_for_nobody(app: App) -> None:
    process, pids = start_sleeping(app, "flag=true", "hydra.launcher.grace_s=100")
    process.send_signal(signal.SIGINT)
    until(lambda: len(list(app.folder.glob("told-*"))) == 2, process)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=PATIENCE)
    assert time.monotonic() - began < 90  # and not the 100 s of grace
    assert process.returncode == 130, told
    assert_gone(pids)


@pytest.mark.slow
@pytest.mark.parametrize("stubborn", ["false", "true"])
def test_a_killed_sweep_leaves_no_orphans(app: App, stubborn: str) -> None:
    process, pids = start_sleeping(app, f"flag={stubborn}", "hydra.launcher.grace_s=1")
    process.kill()
    process.communicate(timeout=PATIENCE)  # nobody holds its output open any more
    assert_gone(pids, 1)


def test_a_killed_server_costs_its_trials_but_not_the_sweep(app: App) -> None:
    process, pids = start_sleeping(app)
    os.kill(pids[1], signal.SIGKILL)
    told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, told
    assert "4 lost" in told
    assert_gone(pids)


@pytest.mark.slow
def test_time_is_up(app: App) -> None:
    app.write("""
        import signal
        if cfg.width == 1: signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if cfg.width < 2: time.sleep(600)
    """)
    arguments = ["hydra.launcher.timeout_min=0.04", "hydra.launcher.grace_s=0.5", "hydra.launcher.max_parallel=3"]
    sweep = app.sweep(LOCAL, "width=0,1,2", *arguments, code=1)
    verdicts = [(event.number, event.event) for event in read_events(sweep.dir) if event.verdict]
    assert sorted(verdicts) == [(0, "timeout"), (1, "timeout")]
    assert sweep.states[2] == "completed"
    assert "✗ 1  width=1  timeout: stopped after timeout_min=0.04 minutes" in sweep.done.stdout


def environments(app: App, *arguments: str, **environment: str) -> list[dict[str, Any]]:
    """Return what each of four trials saw, by number."""
    app.write("""
        from pathlib import Path
        began = time.time()
        time.sleep(0.2)
        names = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        seen = {name: os.environ.get(name) for name in names} | {"time": (began, time.time())}
        Path(f"env-{HydraConfig.get().job.num}").write_text(json.dumps(seen))
    """)
    app.sweep(LOCAL, "lr=1,2,3,4", *arguments, **environment)
    return [json.loads((app.folder / f"env-{number}").read_text()) for number in range(4)]


@pytest.mark.slow
def test_a_trial_has_a_gpu_of_the_users_mask_to_itself(app: App) -> None:
    seen = environments(app, CUDA_VISIBLE_DEVICES="3,GPU-abc")
    assert {trial["CUDA_VISIBLE_DEVICES"] for trial in seen} == {"3", "GPU-abc"}
    for gpu in ("3", "GPU-abc"):
        times = sorted(trial["time"] for trial in seen if trial["CUDA_VISIBLE_DEVICES"] == gpu)
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(times))


@pytest.mark.slow
@pytest.mark.parametrize("mask", ["", "0,1"])
def test_a_mask_that_is_not_handed_out_stays_as_it_is(app: App, mask: str) -> None:
    seen = environments(app, "hydra.launcher.gpus_per_trial=0", CUDA_VISIBLE_DEVICES=mask)
    assert {trial["CUDA_VISIBLE_DEVICES"] for trial in seen} == {mask}


def test_threads(app: App) -> None:
    seen = environments(app, "hydra.launcher.threads=3", "hydra.launcher.max_parallel=2")
    assert {(trial["OMP_NUM_THREADS"], trial["MKL_NUM_THREADS"]) for trial in seen} == {("3", "3")}


def test_threads_bind_libraries_that_the_script_had_loaded(app: App) -> None:
    app.write("""
        from threadpoolctl import threadpool_info
        print("pools", [pool["num_threads"] for pool in threadpool_info() if pool["internal_api"] == "openblas"])
    """)
    app.script.write_text("import numpy, threadpoolctl\n" + app.script.read_text())
    threads = {"OMP_NUM_THREADS": "", "OPENBLAS_NUM_THREADS": "2"}
    alone = app.run(**threads)
    assert "pools [2]" in alone.stdout
    sweep = app.sweep(LOCAL, "lr=1", "hydra.launcher.threads=1", **threads)
    assert TrialPaths(sweep.dir / "0").log(0, "out").read_text().splitlines()[0] == "pools [1]"


def test_more_gpus_than_there_are_is_an_error_before_anything_runs(app: App) -> None:
    done = app.run(
        "-m", "hydra/sweeper=herd", LOCAL, "lr=1,2", "hydra.launcher.gpus_per_trial=3", CUDA_VISIBLE_DEVICES="0,1"
    )
    assert done.returncode == 1
    assert "gpus_per_trial: 3 is more than the 2 GPUs that may be used (0,1)" in done.stderr


THREAD = (
    "import threading, time\nthreading.Thread(target=time.sleep, args=(300,), daemon=True, name='ticker').start()\n"
)


@pytest.mark.slow
def test_a_script_with_threads_is_not_forked(app: App) -> None:
    app.write("""
        import threading
        if cfg.width == 1: os._exit(3)
        if cfg.width == 2: raise ValueError("boom")
        print(__name__, sys.argv[1], HydraConfig.get().job.num, threading.active_count())
        return cfg.width
    """)
    app.script.write_text(THREAD + app.script.read_text())
    sweep = app.sweep(LOCAL, "width=0,1,2", code=1)
    told = sweep.done.stdout
    assert "because the script runs threads (ticker)" in told
    assert "1 completed, 2 failed" in told
    assert 'raise ValueError("boom")' in told
    assert TrialPaths(sweep.dir / "0").log(0, "out").read_text().startswith("__main__ -m 0 ")
    refused = app.run("-m", "hydra/sweeper=herd", LOCAL, "width=0,1", "hydra.launcher.start_method=fork")
    assert refused.returncode == 1
    assert "trials cannot be forked, because the script runs threads (ticker)" in refused.stderr


def test_a_pool_that_cannot_start_is_why_its_trials_did_not_run(app: App) -> None:
    app.write("""
        with lock: pass
    """)
    text = app.script.read_text().replace("@hydra.main", "import threading\nlock = threading.Lock()\n@hydra.main")
    app.script.write_text(text.replace("if __name__ == '__main__':\n    main()", "main()"))
    sweep = app.sweep(LOCAL, "width=0,1", "hydra.launcher.start_method=spawn", code=1)
    reasons = {event.number: event.message or "" for event in read_events(sweep.dir) if event.event == "cancelled"}
    assert sorted(reasons) == [0, 1]
    for reason in reasons.values():
        assert reason.startswith("herd_local could not continue: trials cannot be forked, because hydra.launcher.")
        assert "cannot pickle '_thread.lock' object" in reason
    assert "interrupted" not in sweep.done.stdout + sweep.done.stderr


NAMED = {"first": "one", "second": "two"}
OF_THE_SCRIPT = """
class Net:
    def __init__(self, depth): self.depth = depth
def first(): raise ValueError("one")
def second(): raise ValueError("two")
OmegaConf.register_new_resolver("twice", lambda value: 2 * value)
"""


@pytest.mark.slow
def test_a_trial_that_is_not_forked_has_what_the_script_defines(app: App) -> None:
    body = """
        net = hydra.utils.instantiate(cfg.net)
        assert type(net) is Net and net.depth == 8
        {0: bool, 1: first, 2: first, 3: second}[cfg.width]()
        return net
    """
    app.write(body, config="width: 0\nnet: {_target_: __main__.Net, depth: '${twice:4}'}\n")
    app.script = app.script.rename(app.folder / "an-app.py")
    app.script.write_text(app.script.read_text().replace("@hydra.main", OF_THE_SCRIPT + "@hydra.main"))
    sweep = app.sweep(LOCAL, "width=0,1,2,3", "hydra.launcher.start_method=spawn", code=1)
    assert sweep.states == {0: "completed", 1: "failed", 2: "failed", 3: "failed"}
    lines = app.script.read_text().splitlines()
    place = {name: lines.index(f'def {name}(): raise ValueError("{text}")') + 1 for name, text in NAMED.items()}
    assert {group.where: [trial.number for trial in group.trials] for group in load(sweep.dir).failures().groups} == {
        f"an-app.py:{place['first']} in first": [1, 2],
        f"an-app.py:{place['second']} in second": [3],
    }


@pytest.mark.slow
def test_the_same_error_of_trials_that_are_not_forked_stops_the_sweep(app: App) -> None:
    app.write("""
        if cfg.width < 3: raise ValueError(f"width {cfg.width}")
        raise ValueError("width 3 or more")
    """)
    app.script.write_text(THREAD + app.script.read_text())
    sweep = app.sweep(LOCAL, "width=3,0,1,4", "hydra.launcher.max_parallel=1", STOP, code=1)
    assert "2 trials failed with the same error" in sweep.done.stdout
    assert re.search(r"same_error\): ValueError at File .*app\.py., line \d+, in main", sweep.done.stdout)
    assert len(sweep.records) == 3


@pytest.mark.slow
def test_an_openmp_team_of_the_script_does_not_hang_its_trials(app: App) -> None:
    skip_unless_installed("torch")
    app.write("""
        assert torch.get_num_threads() == 2
        print(float((torch.ones(1000, 1000) + cfg.lr).exp().sum()))
    """)
    compute = "import torch\ntorch.set_num_threads(2)\n(torch.randn(2000, 2000) + 1).exp().sum()\n"
    app.script.write_text(compute + app.script.read_text())
    sweep = app.sweep(
        LOCAL, "lr=1,2", "hydra.launcher.threads=2", "hydra.launcher.timeout_min=0.5", OMP_NUM_THREADS="2"
    )
    assert sweep.states == {0: "completed", 1: "completed"}


@pytest.mark.slow
def test_trials_do_not_share_randomness_that_nobody_seeded(app: App) -> None:
    pytest.importorskip("numpy")
    app.write("print(numpy.random.rand())")
    script = app.script.read_text()
    app.script.write_text("import numpy\n" + script)

    def drawn(to: str) -> set[str]:
        sweep = app.sweep(LOCAL, "lr=1,2", to=to)
        return {TrialPaths(sweep.dir / str(number)).log(0, "out").read_text().splitlines()[0] for number in (0, 1)}

    assert len(drawn("unseeded")) == 2
    app.script.write_text("import numpy\nnumpy.random.seed(0)\n" + script)
    assert len(drawn("seeded")) == 1


def test_under_another_sweeper_it_is_a_hydra_launcher_like_any_other(app: App) -> None:
    app.write("""
        os.write(1, b"hello from %d\\n" % HydraConfig.get().job.num)  # At once, for they print at the same time.
        assert cfg.width != 1
        return cfg.width
    """)
    done = app.run("-m", LOCAL, "hydra.sweep.dir=s", "width=0,1,2")
    assert done.returncode == 1
    assert all(f"hello from {number}" in done.stdout for number in range(3))
    assert "AssertionError" in done.stderr
    assert (app.folder / "s" / "2" / ".hydra" / "config.yaml").exists()


@pytest.mark.slow
def test_what_trials_leave_behind_ends_with_the_sweep(app: App) -> None:
    app.write("""
        import subprocess
        print(subprocess.Popen(["sleep", "300"]).pid)
        print(subprocess.Popen(["sleep", "300"], start_new_session=True).pid)
    """)
    sweep = app.sweep(LOCAL, "lr=1,2", "hydra.launcher.grace_s=0.2")
    pids = [
        int(word)
        for number in (0, 1)
        for word in (sweep.dir / f"{number}/.hyperherd/logs/attempt-0.out").read_text().split()[:2]
    ]
    assert len(pids) == 4
    assert_gone(pids, 0)
