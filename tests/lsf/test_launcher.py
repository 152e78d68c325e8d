"""`hydra/launcher=herd_lsf` as a user runs it: every way a job can end, and none costs another.

With --lsf on a real one, except where a test asks for a fault or waits for a run limit.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from conftest import App, Sweep, wait_for
from drifting import go_on_with_changes
from lsf.emulator.cluster import Cluster
from lsf.emulator.site import WAITS, Site
from terminal import left, on_a_terminal
from waiting import PATIENCE, until

from hyperherd.paths import TrialPaths
from hyperherd.records.events import Event, read_events

LSF = ("hydra/launcher=herd_lsf", "hydra.launcher.poll_s=2")
HERD = ("-m", "hydra/sweeper=herd", "hydra.sweep.dir=s", *LSF)


def verdicts(sweep_dir: Path) -> dict[int, Event]:
    return {event.number: event for event in read_events(sweep_dir) if event.verdict}


def jobs(sweep_dir: Path) -> dict[int, str]:
    return {event.number: str(event.job_id) for event in read_events(sweep_dir) if event.job_id}


def states(sweep: Sweep) -> dict[int, tuple[str, str | None, int]]:
    return {number: (str(one.state), one.cause, one.attempt) for number, one in sweep.records.items()}


@pytest.mark.slow
def test_however_a_job_ends_it_is_one_row_and_costs_no_other(app: App, lsf: Site) -> None:
    app.write("""
        if cfg.width == 0: os.kill(os.getpid(), 9)
        if cfg.width == 1: os._exit(3)
        if cfg.width == 2: os._exit(0)
        if cfg.width == 3: os.kill(os.getpid(), 11)
        if cfg.width == 4: sys.exit(4)
        if cfg.width == 5: raise ValueError("boom")
        if cfg.width == 6: sys.exit(0)
        if cfg.width == 7: return lambda: None
        if cfg.width == 8: os._exit(99)
        job = HydraConfig.get().job
        print("here", job.num, job.id == os.environ["LSB_JOBID"] + "_" + os.environ["LSB_JOBINDEX"])
    """)
    sweep = app.sweep(*LSF, "width=range(10)", code=1)
    told = {number: event.event for number, event in verdicts(sweep.dir).items()}
    assert told == {0: "signal", 1: "exit", 2: "exit", 3: "signal", 8: "exit"}
    said = {number: state for number, state in states(sweep).items() if number not in told}
    assert said == {
        4: ("failed", "exit", 0),
        5: ("failed", "exception", 0),
        6: ("completed", None, 0),
        7: ("completed", None, 0),
        9: ("completed", None, 0),
    }
    assert TrialPaths(sweep.dir / "9").log(0, "out").read_text().startswith("here 9 True\n")
    assert "3 completed, 7 failed" in sweep.done.stdout
    message = str(verdicts(sweep.dir)[1].message)
    assert "LSF: EXIT, exit code 3" in message
    assert f"see {sweep.dir}/.hyperherd/submitit/" in message
    base = str(sweep.records[9].job_id).partition("_")[0]
    ended = {int(row["jobindex"]) - 1: row["stat"] for row in lsf.wait(base)}
    assert ended == {number: "DONE" if number in (2, 6, 7, 9) else "EXIT" for number in range(10)}


@pytest.mark.slow
def test_a_changed_config_is_refused_and_changed_code_is_named(app: App, lsf: Site) -> None:
    go_on_with_changes(app, *LSF)


@pytest.mark.slow
def test_out_of_memory(app: App, cluster: Cluster) -> None:
    app.write("""
        memory = []
        while cfg.width:
            memory.append(bytearray(30_000_000)); time.sleep(0.05)
    """)
    sweep = app.sweep(*LSF, "width=0,1", "hydra.launcher.mem_limit=300MB", code=1)
    assert {number: event.event for number, event in verdicts(sweep.dir).items()} == {1: "oom"}
    assert "TERM_MEMLIMIT" in str(verdicts(sweep.dir)[1].message)


@pytest.mark.slow
def test_after_its_run_limit_a_trial_resumes_in_its_directory(app: App, cluster: Cluster) -> None:
    app.write("""
        from pathlib import Path
        from hyperherd import log_result
        here = Path(HydraConfig.get().runtime.output_dir)
        checkpoint = here / "step"
        step = int(checkpoint.read_text()) if checkpoint.exists() else 0
        print("attempt", os.environ["HYPERHERD_ATTEMPT"], "from", step)
        log_result("step", step, step=step)
        checkpoint.write_text(str(step + 1))
        if step < cfg.width: time.sleep(300)
    """)
    limits = ("hydra.launcher.timeout_min=8", "hydra.launcher.signal_delay_min=4", "hydra.launcher.max_num_timeout=3")
    sweep = app.sweep(*LSF, *limits, "width=0,1")
    assert states(sweep) == {number: ("completed", None, number) for number in range(2)}
    logs = [TrialPaths(sweep.dir / "1").log(attempt, "out").read_text() for attempt in range(2)]
    assert [log.splitlines()[0] for log in logs] == [f"attempt {n} from {n}" for n in range(2)]
    assert jobs(sweep.dir) == {number: str(record.job_id) for number, record in sweep.records.items()}


@pytest.mark.slow
def test_a_trial_that_will_not_end_comes_back_all_the_same(app: App, site: Site) -> None:
    app.write("""
        import subprocess
        from hyperherd.launch.cluster import job
        job.PATIENCE = 1.0
        if os.environ["HYPERHERD_ATTEMPT"] == "0":
            child = subprocess.Popen(["sh", "-c", "trap : USR2; sleep 300; sleep 300"])
            open("ready", "w").close()
            while True:
                try: child.wait()
                except SystemExit as error: print("no:", error, flush=True)
    """)
    process = app.start(*HERD, "lr=1", "hydra.launcher.max_num_timeout=1")
    until(lambda: (app.folder / "ready").exists(), process)
    site.run("bkill", "-s", "USR2", "1")
    told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told
    sweep = Sweep(None, app.folder / "s")  # type: ignore[arg-type]
    assert states(sweep) == {0: ("completed", None, 1)}
    log = TrialPaths(sweep.dir / "0").log(0, "out").read_text()
    assert "no: the time limit was reached; the job is requeued\n" in log  # what it says after the signal is kept too


@pytest.mark.slow
def test_time_is_up_for_good(app: App, cluster: Cluster) -> None:
    app.write("time.sleep(300 * cfg.width)")
    sweep = app.sweep(*LSF, "hydra.launcher.timeout_min=4", "hydra.launcher.signal_delay_min=2", "width=0,1", code=1)
    assert states(sweep) == {0: ("completed", None, 0), 1: ("failed", "timeout", 0)}


CLUSTER_EVENTS = """
    from pathlib import Path
    Path(f"at-{cfg.width}-{os.environ['HYPERHERD_ATTEMPT']}").touch()
    while not Path("go").exists(): time.sleep(0.1)
"""


@pytest.mark.slow
@pytest.mark.needs("brequeue", "bstop and bresume")
def test_what_others_do_to_jobs(app: App, lsf: Site) -> None:
    """Width 0 is killed as it runs, 3 as it waits; 1 is suspended for a while, and 2 requeued by hand."""
    app.write(CLUSTER_EVENTS)
    sweep = app.start(*HERD, "width=range(4)", "hydra.launcher.array_parallelism=3")
    until(lambda: all((app.folder / f"at-{width}-0").exists() for width in range(3)), sweep)
    ids = {number: job.replace("_", "[") + "]" for number, job in jobs(app.folder / "s").items()}
    assert not (app.folder / "at-3-0").exists()
    for command, number in [("bkill", 3), ("bkill", 0), ("bstop", 1), ("brequeue", 2)]:
        done = lsf.run(command, ids[number])
        assert done.returncode == 0, done.stderr
    until(lambda: 3 in verdicts(app.folder / "s") and (app.folder / "at-2-1").exists(), sweep)
    lsf.run("bresume", ids[1])
    (app.folder / "go").touch()
    told, _ = sweep.communicate()
    assert sweep.returncode == 1, told
    ended = Sweep(None, app.folder / "s")  # type: ignore[arg-type]
    assert verdicts(ended.dir)[3].event == "cancelled"
    assert states(ended) == {0: ("cancelled", None, 0), 1: ("completed", None, 0), 2: ("completed", None, 1)}
    assert "2 completed, 2 cancelled" in told


@pytest.mark.slow
def test_sizes_of_their_own(app: App, lsf: Site) -> None:
    app.write("print('slots', os.environ['LSB_DJOB_NUMPROC'])")
    conditions = "[{when: {width: 3}, resources: {cpus_per_task: 2, timeout_min: 30}}]"
    sweep = app.sweep(*LSF, "width=1,2,3", f"hydra.sweeper.conditions={conditions}")
    slots = {n: TrialPaths(sweep.dir / str(n)).log(0, "out").read_text().split()[1] for n in range(3)}
    assert slots == {0: "1", 1: "1", 2: "2"}
    ids = [job.partition("_") for job in jobs(sweep.dir).values()]
    assert ids[0][0] == ids[1][0] != ids[2][0]


@pytest.mark.slow
def test_several_arrays_keep_to_the_cap(app: App, lsf: Site) -> None:
    app.write("""
        from pathlib import Path
        mine = Path(f"live-{cfg.width}"); mine.touch(); time.sleep(1)
        Path(f"seen-{cfg.width}").write_text(str(len(list(Path(".").glob("live-*")))))
        mine.unlink()
    """)
    sweep = app.sweep(*LSF, "width=range(5)", "hydra.launcher.max_array_size=2", "hydra.launcher.array_parallelism=2")
    assert set(states(sweep).values()) == {("completed", None, 0)}
    assert max(int(path.read_text()) for path in app.folder.glob("seen-*")) <= 2
    assert len({job.partition("_")[0] for job in jobs(sweep.dir).values()}) == 3


@pytest.mark.slow
def test_an_interrupt_leaves_the_jobs_to_lsf(app: App, lsf: Site) -> None:
    app.write(CLUSTER_EVENTS)
    sweep = app.start(*HERD, "width=range(2)")
    until(lambda: all((app.folder / f"at-{width}-0").exists() for width in range(2)), sweep)
    sweep.send_signal(signal.SIGINT)
    told, _ = sweep.communicate()
    assert sweep.returncode == 130, told
    assert "herd-results cancel" in told
    (base,) = {job.partition("_")[0] for job in jobs(app.folder / "s").values()}
    assert lsf.states(base) == ["RUN", "RUN"]
    (app.folder / "go").touch()
    assert {row["stat"] for row in lsf.wait(base)} == {"DONE"}


@pytest.mark.slow
def test_without_waiting_and_then_with(app: App, lsf: Site) -> None:
    app.write(CLUSTER_EVENTS)
    first = app.run(*HERD, "width=range(2)", "hydra.launcher.wait=false")
    assert first.returncode == 0, first.stdout + first.stderr
    lsf.wait_for(lambda: all((app.folder / f"at-{width}-0").exists() for width in range(2)))
    second = app.start(*HERD, "width=range(3)")
    until(lambda: (app.folder / "at-2-0").exists(), second)
    (app.folder / "go").touch()
    told, _ = second.communicate()
    assert second.returncode == 0, told
    ended = Sweep(None, app.folder / "s")  # type: ignore[arg-type]
    assert set(states(ended).values()) == {("completed", None, 0)}


@pytest.mark.slow
def test_what_is_left_on_a_terminal_without_waiting(app: App, lsf: Site) -> None:
    app.write(CLUSTER_EVENTS)
    written, code = on_a_terminal(app.command(*HERD, "width=range(2)", "hydra.launcher.wait=false"), app.folder)
    screen = left(written)
    assert code == 0, screen
    assert screen.count("the trials were submitted through herd_lsf") == 1
    names = [line.partition(":")[0] for line in screen.splitlines()[-3:]]
    assert names == ["status", "wait", "cancel"], screen
    assert "% [" not in screen
    (app.folder / "go").touch()
    (base,) = {job.partition("_")[0] for job in jobs(app.folder / "s").values()}
    lsf.wait(base)


@pytest.mark.slow
def test_cancel_what_nobody_waits_for(app: App, lsf: Site) -> None:
    app.write(CLUSTER_EVENTS)
    app.run(*HERD, "width=range(3)", "hydra.launcher.wait=false", "hydra.launcher.array_parallelism=2")
    lsf.wait_for(lambda: all((app.folder / f"at-{width}-0").exists() for width in range(2)))
    done = lsf.run(sys.executable, "-m", "hyperherd.cli", "cancel", str(app.folder / "s"))
    assert done.returncode == 0, done.stdout + done.stderr
    (base,) = {job.partition("_")[0] for job in jobs(app.folder / "s").values()}
    assert {row["stat"] for row in lsf.wait(base)} == {"EXIT"}
    assert {number: event.event for number, event in verdicts(app.folder / "s").items()} == dict.fromkeys(
        range(3), "cancelled"
    )


@pytest.mark.slow
def test_what_is_written_for_jobs_is_private(app: App, lsf: Site) -> None:
    """Whatever the umask, which is the trial's own all the same."""
    app.write("mask = os.umask(0); os.umask(mask); print('umask', mask)")
    before = os.umask(0o002)
    try:
        sweep = app.sweep(*LSF, "width=range(2)")
    finally:
        os.umask(before)
    folder = sweep.dir / ".hyperherd/submitit"
    files = [*folder.glob("*.pkl"), *folder.glob("*.sh")]
    assert len(files) >= 8  # of each job: itself, its result, what Hydra made of it; their script, and what they share
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (sweep.dir.stat().st_mode | (sweep.dir / ".hyperherd").stat().st_mode) & 0o022 == 0
    assert TrialPaths(sweep.dir / "1").log(0, "out").read_text().startswith("umask 2\n")


@pytest.mark.slow
def test_a_secret_reaches_the_job_and_not_its_script(app: App, lsf: Site) -> None:
    app.write("print(os.environ['HF_TOKEN'] == 'hf_' + '5' * 9, os.environ['PLAIN'])")
    given = ("+hydra.launcher.env.HF_TOKEN=hf_555555555", "+hydra.launcher.env.PLAIN=here")
    refused = app.run(*HERD, "width=1", *given, "+hydra.launcher.additional_parameters.env=none")
    assert refused.returncode == 1
    assert "HF_TOKEN looks like a secret" in refused.stderr
    sweep = app.sweep(*LSF, "width=1", *given)
    assert TrialPaths(sweep.dir / "0").log(0, "out").read_text().startswith("True here\n")
    scripts = {path.read_text() for path in (sweep.dir / ".hyperherd/submitit").glob("*.sh")}
    assert scripts
    assert all("PLAIN" in text and "hf_555555555" not in text for text in scripts)


@pytest.mark.slow
def test_a_record_that_names_a_job_of_another_sweep(app: App, lsf: Site) -> None:
    """Whatever a file says: only jobs that LSF knows under the recorded name are cancelled, or awaited."""
    other = lsf.submit(WAITS, "-J", "other")
    sweep = app.sweep("width=range(2)", to="s")
    (sweep.dir / "1" / ".hyperherd" / "trial.json").unlink()
    event = {
        "number": 1,
        "attempt": 0,
        "time": time.time(),
        "seq": 99,
        "launcher": "herd_lsf",
        "job_name": "app-0a1b2c",
    }
    lines = [{**event, "event": "submitting"}, {**event, "event": "submitted", "job_id": other}]
    (sweep.dir / ".hyperherd/events/a-1-00.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = lsf.run(sys.executable, "-m", "hyperherd.cli", "cancel", str(sweep.dir))
    assert done.returncode == 2
    assert f"lists job {other}, but not as yours" in done.stderr
    again = app.sweep(*LSF, "width=range(2)", to="s")
    assert "1 to run" in again.done.stdout
    assert "already submitted" not in again.done.stdout
    assert not {row["stat"] for row in lsf.rows(other)} & {"EXIT", "DONE"}
    (lsf.folder / "go").touch()


@pytest.mark.slow
def test_what_another_user_submitted_is_not_submitted_again(app: App, lsf: Site, nobody: int) -> None:
    """LSF lets nobody await the jobs of others, which is no sign that they are gone."""
    app.write("if cfg.width == 2: raise ValueError('boom')")
    sweep = app.sweep("width=range(3)", "hydra.sweeper.shared=true", to="s", code=1)
    (sweep.dir / "1" / ".hyperherd" / "trial.json").unlink()
    event = {
        "number": 1,
        "attempt": 0,
        "time": time.time(),
        "seq": 99,
        "launcher": "herd_lsf",
        "job_name": "app-0a1b2c",
    }
    lines = [{**event, "event": "submitting"}, {**event, "event": "submitted", "job_id": "4711"}]
    events = sweep.dir / ".hyperherd/events/a-1-00.jsonl"
    events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    os.chown(events, nobody, -1)
    again = app.sweep(*LSF, "width=range(3)", "hydra.sweeper.shared=true", to="s", code=1)
    assert "3 trials, 1 to run" in again.done.stdout
    assert "left untouched: trials 1, which another user submitted and whose ends are not recorded" in again.done.stdout
    assert [event.number for event in read_events(sweep.dir) if event.launcher == "herd_lsf"].count(1) == 2
    os.chown(events, os.geteuid(), -1)
    mine = app.sweep(*LSF, "width=range(3)", "hydra.sweeper.shared=true", to="s", code=1)
    assert "3 trials, 2 to run" in mine.done.stdout
    assert mine.states[1] == "completed"


@pytest.mark.slow
def test_a_sweep_that_was_killed_while_it_submitted(app: App, lsf: Site) -> None:
    """Jobs that wait are found by name, each at its place in the array."""
    app.write(CLUSTER_EVENTS)
    arguments = (*HERD, "width=range(3)", "hydra.launcher.array_parallelism=1")
    first = app.start(*arguments)
    until((app.folder / "at-0-0").exists, first)
    first.kill()
    first.communicate()
    (events,) = (app.folder / "s" / ".hyperherd" / "events").iterdir()
    lines = [line for line in events.read_text().splitlines(keepends=True) if json.loads(line)["event"] == "submitting"]
    events.write_text("".join(lines))  # as if it had not come to noting the jobs' ids
    second = app.start(*arguments)
    wait_for(second, "3 trials, 0 to run")
    (app.folder / "go").touch()
    told, _ = second.communicate()
    assert second.returncode == 0, told
    ended = Sweep(None, app.folder / "s")  # type: ignore[arg-type]
    assert set(states(ended).values()) == {("completed", None, 0)}
    ids = [str(record.job_id).partition("_") for _, record in sorted(ended.records.items())]
    assert [index for _, _, index in ids] == ["1", "2", "3"]
    assert len({base for base, _, _ in ids}) == 1


@pytest.mark.slow
def test_mbatchd_goes_and_comes_back(app: App, cluster: Cluster) -> None:
    app.write(CLUSTER_EVENTS)
    sweep = app.start(*HERD, "width=range(2)", "hydra.launcher.query_retries=1")
    until(lambda: all((app.folder / f"at-{width}-0").exists() for width in range(2)), sweep)
    cluster.set(down=True)
    assert sweep.stdout is not None
    until(lambda: "LSF does not answer" in sweep.stdout.readline(), sweep)
    cluster.set(down=False)
    (app.folder / "go").touch()
    told, _ = sweep.communicate()
    assert sweep.returncode == 0, told


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("nodes=2", "hydra.launcher.nodes: 2 is more than 1"),
        ("mem_per=core", "hydra.launcher.mem_per: 'core' is not one of auto, host, task"),
        ("queue=nosuch", "No such queue"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_runs(app: App, lsf: Site, option: str, message: str) -> None:
    done = app.run(*HERD, "width=1,2", f"hydra.launcher.{option}")
    assert done.returncode == 1
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_machine_without_lsf(app: App, tmp_path: Path) -> None:
    done = app.run(*HERD, "width=1,2", PATH=str(tmp_path))
    assert done.returncode == 1
    assert (
        "herd_lsf needs LSF's commands, and bsub, bjobs, bkill were not found on the PATH" in done.stdout + done.stderr
    )


def test_for_another_sweeper(app: App, lsf: Site) -> None:
    app.write("print('width', cfg.width)\nassert cfg.width != 2")
    done = app.run("-m", "hydra.sweep.dir=s", *LSF, "width=1,2")
    assert done.returncode == 1
    assert "AssertionError" in done.stdout + done.stderr
    assert "width 1" in "".join(path.read_text() for path in (app.folder / "s").rglob("*_log.out"))
