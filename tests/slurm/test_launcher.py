"""`hydra/launcher=herd_slurm` on a real Slurm, as a user runs it: every way a job can end, and none costs another."""

from __future__ import annotations

import json
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import starting
from conftest import App, Sweep, wait_for
from real_slurm import Slurm
from waiting import PATIENCE, until

from hyperherd.paths import TrialPaths
from hyperherd.records.events import Event, read_events

pytestmark = pytest.mark.slow

SLURM = "hydra/launcher=herd_slurm"
QUICK = "hydra.launcher.poll_s=2"
RunningSweep = tuple[App, subprocess.Popen[str]]


def verdicts(sweep_dir: Path) -> dict[int, Event]:
    return {event.number: event for event in read_events(sweep_dir) if event.verdict}


def states_of_jobs(slurm: Slurm, job: str) -> dict[str, str]:
    """Return what accounting says of a job's tasks, once it has caught up."""
    lines = slurm.ask("sacct", "-nPX", "-j", job, "-o", "JobID,State").split()
    return dict(line.split("|")[:2] for line in lines)


def submitit(sweep_dir: Path) -> Path:
    return sweep_dir / ".hyperherd" / "submitit"


@pytest.fixture(scope="module", autouse=True)
def long_sweep(cluster: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSweep]:
    """A sweep whose trials are cancelled and reach their time limit while the other tests of this file run.

    Slurm looks for jobs beyond their limit every 30 s, which cannot be configured. Of two of them width 0 heeds the
    warning and width 1 does not; width 2 is cancelled as it runs and 3 as it waits.
    """
    app = App(tmp_path_factory.mktemp("long")).write("""
        from pathlib import Path
        import signal
        if cfg.width == 1:
            for number in (signal.SIGUSR2, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)
        Path(f"at-{cfg.width}").touch()
        time.sleep(600)
    """)
    few = ["hydra.launcher.array_parallelism=3", "hydra.launcher.timeout_min=5"]
    few += ["hydra.launcher.nodelist=n2"] if cluster.folder is not None else []
    arguments = ["-m", "hydra/sweeper=herd", SLURM, QUICK, "hydra.sweep.dir=s", "width=range(4)", *few]
    process = app.start(*arguments, **cluster.environment)
    if cluster.folder is not None:
        until(lambda: len(list(app.folder.glob("at-*"))) == 3, process)
        jobs = {event.number: str(event.job_id) for event in read_events(app.folder / "s")}
        cluster.ask("scancel", jobs[2])
        cluster.ask("scancel", jobs[3])
        cluster.ask("scontrol", "update", f"jobid={jobs[0]}", "EndTime=now+90")
        cluster.ask("scontrol", "update", f"jobid={jobs[1]}", "EndTime=now+2")
    yield app, process
    process.kill()
    process.communicate()


@contextmanager
def started(app: App, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a sweep that runs; it is killed if the block fails."""
    process = app.start("-m", "hydra/sweeper=herd", SLURM, QUICK, "hydra.sweep.dir=s", *arguments)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_however_a_job_ends_it_is_one_row_and_costs_no_other(app: App, slurm: Slurm) -> None:
    app.write("""
        if cfg.width == 0: os.kill(os.getpid(), 9)
        if cfg.width == 1: os._exit(3)
        if cfg.width == 2: os._exit(0)
        if cfg.width == 3: os.kill(os.getpid(), 11)
        if cfg.width == 4: sys.exit(4)
        if cfg.width == 5: raise ValueError("boom")
        if cfg.width == 6: sys.exit(0)
        if cfg.width == 7: return lambda: None
        if cfg.width == 8:
            memory = []
            while True:
                memory.append(bytearray(30_000_000)); time.sleep(0.1)
        job = HydraConfig.get().job
        print("here", job.num, job.id == os.environ["SLURM_ARRAY_JOB_ID"] + "_" + os.environ["SLURM_ARRAY_TASK_ID"])
    """)
    sweep = app.sweep(SLURM, QUICK, "width=range(10)", "hydra.launcher.mem_gb=0.25", code=1)
    told = {number: event.event for number, event in verdicts(sweep.dir).items()}
    assert told == {0: "signal", 1: "exit", 2: "exit", 3: "signal", 8: "oom"}
    said = {number: (str(record.state), record.cause) for number, record in sweep.records.items() if number not in told}
    assert said == {
        4: ("failed", "exit"),
        5: ("failed", "exception"),
        6: ("completed", None),
        7: ("completed", None),
        9: ("completed", None),
    }
    assert TrialPaths(sweep.dir / "9").log(0, "out").read_text().startswith("here 9 True\n")
    assert "3 completed, 7 failed" in sweep.done.stdout
    message = str(verdicts(sweep.dir)[0].message)
    assert "FAILED" in message
    assert f"see {submitit(sweep.dir)}/" in message
    job = str(sweep.records[9].job_id).partition("_")[0]
    ended = ["FAILED"] * 2 + ["COMPLETED"] + ["FAILED"] * 3 + ["COMPLETED"] * 2 + ["FAILED", "COMPLETED"]
    until(lambda: list(states_of_jobs(slurm, job).values()) == ended)


CLUSTER_EVENTS = """
    from pathlib import Path
    attempt = os.environ["HYPERHERD_ATTEMPT"]
    Path(f"at-{cfg.width}-{attempt}").touch()
    while attempt == "0" and not Path("go").exists():
        time.sleep(0.1)
"""


def test_a_node_dies(app: App, own: Slurm) -> None:
    """Slurm starts width 0 again, and is not to start 1 again."""
    app.write(CLUSTER_EVENTS)
    with started(app, "width=0,1", "hydra.launcher.nodelist=n1") as sweep:
        until(lambda: len(list(app.folder.glob("at-*"))) == 2, sweep)
        submitted = {event.number: str(event.job_id) for event in read_events(app.folder / "s")}
        own.ask("scontrol", "update", f"jobid={submitted[1]}", "Requeue=0")
        own.kill_node("n1")
        own.ask("scontrol", "update", "nodename=n1", "state=down", "reason=dead")  # Slurm finds out after 15 s.
        own.up()
        told, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 1, told
    ended = Sweep(None, app.folder / "s")  # type: ignore[arg-type]
    assert {number: event.event for number, event in verdicts(ended.dir).items()} == {1: "node_failure"}, told
    assert {number: (str(record.state), record.attempt) for number, record in ended.records.items()} == {
        0: ("completed", 1),
        1: ("running", 0),
    }
    assert "1 completed, 1 failed" in told


def test_the_controller_is_down_as_a_trial_ends(app: App, own: Slurm) -> None:
    app.write(CLUSTER_EVENTS)
    with started(app, "width=0,1") as sweep:
        until(lambda: len(list(app.folder.glob("at-*"))) == 2, sweep)
        own.kill_controller()
        (app.folder / "go").touch()
        until(lambda: "completed" in (app.folder / "s" / "0" / ".hyperherd" / "trial.json").read_text())
        own.up()
        told, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 0, told
    assert "2 completed" in told


def test_a_killed_sweep_goes_on_with_its_jobs(app: App, slurm: Slurm) -> None:
    app.write("""
        from pathlib import Path
        Path(f"at-{cfg.width}").touch(exist_ok=False)
        while not Path("go").exists(): time.sleep(0.1)
        if cfg.width == 1: raise ValueError("boom")
    """)
    arguments = ["width=0,1,2", "hydra.launcher.array_parallelism=2"]
    with started(app, *arguments) as sweep:
        until(lambda: len(list(app.folder.glob("at-*"))) == 2, sweep)
        sweep.kill()
        sweep.wait()
    with started(app, *arguments) as again:
        wait_for(again, "3 ")
        (app.folder / "go").touch()
        told, _ = again.communicate(timeout=PATIENCE)
    assert again.returncode == 1, told
    ended = Sweep(None, app.folder / "s")  # type: ignore[arg-type]
    assert ended.states == {0: "completed", 1: "failed", 2: "completed"}
    assert {record.attempt for record in ended.records.values()} == {0}
    assert len({str(record.job_id).partition("_")[0] for record in ended.records.values()}) == 1
    assert "1  width=1  ValueError: boom" in told


SUBMIT_AND_DIE = """
import os, sys
from pathlib import Path
from submitit.core.utils import JobPaths
from hyperherd.launch.base import TrialJob
from hyperherd.launch.cluster.launcher import ClusterLauncher
from hyperherd.launch.cluster.settings import ClusterSettings
from hyperherd.launch.cluster.job import JobPayload
from hyperherd.launch.slurm.cluster import SlurmCluster

def launcher():
    settings = ClusterSettings(Path(sys.argv[1]), "app", 10, True, 2, None)
    options = {"timeout_min": 1, "additional_parameters": {"begin": "now+4"}}
    return ClusterLauncher(JobPayload(None, None, None), SlurmCluster(options), settings)

jobs = [TrialJob(number, 0, (f"x={number}",)) for number in (4, 7, 9)]

def dying(paths, path, name, *rest, **more):
    if name == "submitted_pickle" and paths.job_id.endswith("_1"):
        os._exit(9)
    return moved(paths, path, name, *rest, **more)

if __name__ == "__main__":
    moved, JobPaths.move_temporary_file = JobPaths.move_temporary_file, dying
    one = launcher()
    one.submit(one.batches(jobs)[0], "batch-of-a-killed-sweep")
"""


def test_jobs_without_a_pickle_are_cancelled_and_the_others_found(
    tmp_path: Path, slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep is killed between sbatch and the renaming of submitit's pickles, which is when jobs get theirs."""
    script = tmp_path / "submit.py"
    script.write_text(SUBMIT_AND_DIE)
    assert subprocess.run([sys.executable, str(script), str(tmp_path / "jobs")]).returncode == 9
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "jobs")])
    again = runpy.run_path(str(script))
    launcher, jobs = again["launcher"](), again["jobs"]
    assert launcher.find(jobs, "a batch that nobody submitted") == []
    (found,) = launcher.find(jobs, "batch-of-a-killed-sweep")
    assert found.job == jobs[0]
    array = str(found.job_id).partition("_")[0]
    until(lambda: all(slurm.state(f"{array}_{index}") in ("", "CANCELLED", "COMPLETING") for index in (1, 2)))
    assert launcher.adopt([found]) == [found]
    (end,) = [end for end in launcher.events() if end is not None]
    assert end.handle == found
    assert end.verdict == "exception"  # it has no work to do


def test_wait_false_leaves_in_seconds_and_needs_our_sweeper(app: App, slurm: Slurm) -> None:
    app.write("""
        while not os.path.exists("go"): time.sleep(0.1)
    """)
    left = app.sweep(SLURM, "width=0,1", "hydra.launcher.wait=false")
    assert set(left.states.values()) <= {"running"}
    (app.folder / "go").touch()
    until(lambda: left.states == {0: "completed", 1: "completed"})
    refused = app.run("-m", SLURM, "width=0,1", "hydra.launcher.wait=false")
    assert refused.returncode == 1
    assert "hydra.launcher.wait=false needs hydra/sweeper=herd" in refused.stderr


def test_arrays_are_split_and_share_the_cap(app: App, slurm: Slurm) -> None:
    app.write("""
        from pathlib import Path
        mine = Path(f"live-{cfg.width}"); mine.touch()
        Path(f"seen-{cfg.width}").write_text(str(len(list(Path(".").glob("live-*")))))
        time.sleep(0.5)
        mine.unlink()
    """)
    few = ["hydra.launcher.max_array_size=2", "hydra.launcher.array_parallelism=3"]
    sweep = app.sweep(SLURM, QUICK, "width=range(7)", *few)
    assert set(sweep.states.values()) == {"completed"}
    assert [trial.number for trial in sweep.planned] == sorted(sweep.states)
    assert len({str(record.job_id).partition("_")[0] for record in sweep.records.values()}) == 4
    assert max(int(path.read_text()) for path in app.folder.glob("seen-*")) <= 3


def test_a_sweep_started_inside_of_a_job(app: App, slurm: Slurm) -> None:
    """The job it runs in has options and variables that its trials must not inherit."""
    app.write("""
        from pathlib import Path
        given = {name: os.environ[name] for name in ("SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_CPUS_PER_TASK")}
        Path(f"env-{cfg.width}").write_text(json.dumps({"EXTRA": os.environ["EXTRA"], **given}))
    """)
    words = app.command("-m", "hydra/sweeper=herd", SLURM, QUICK, "hydra.sweep.dir=s", "width=0,1")
    options = ["hydra.launcher.cpus_per_task=1", "+hydra.launcher.env.EXTRA='a b'"]
    command = f"cd {shlex.quote(str(app.folder))} && exec {shlex.join([*words, *options])}"
    done = slurm.ask("sbatch", "--wait", "--parsable", "-n2", "-c2", "--output=/dev/null", "--wrap", command)
    seen = [json.loads((app.folder / f"env-{width}").read_text()) for width in (0, 1)]
    assert [(env["SLURM_NTASKS"], env["SLURM_CPUS_PER_TASK"], env["EXTRA"]) for env in seen] == [("1", "1", "a b")] * 2
    assert done.strip() not in {env["SLURM_JOB_ID"] for env in seen}


def test_a_module_beside_the_script_and_a_config_that_does_not_compose(app: App, slurm: Slurm) -> None:
    (app.folder / "beside.py").write_text("def double(value): return 2 * value\n")
    app.write("from beside import double\nassert double(cfg.width) == 4\nassert sys.argv[0].endswith('app.py')")
    app.script.write_text("import beside\n" + app.script.read_text())
    elsewhere = app.folder / "elsewhere"
    elsewhere.mkdir()
    command = ["-m", "hydra/sweeper=herd", SLURM, QUICK, "hydra.sweep.dir=../s", "width=2"]
    done = subprocess.run(app.command(*command), cwd=elsewhere, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    arguments = ["width=2,3", "hydra.sweeper.validate=none", "hydra.sweep.subdir=${oc.env:HERD_IS_NOT_SET}-${width}"]
    failed = app.sweep(SLURM, QUICK, *arguments, code=1)
    assert "HERD_IS_NOT_SET" in failed.done.stdout


def test_a_job_has_what_the_script_defines_and_its_lines(app: App, slurm: Slurm) -> None:
    app.write("assert type(hydra.utils.instantiate({'_target_': '__main__.Net'})) is Net\nraise ValueError('boom')")
    app.script.write_text(app.script.read_text().replace("@hydra.main", "class Net: pass\n@hydra.main"))
    sweep = app.sweep(SLURM, QUICK, "width=1", code=1)
    line = app.script.read_text().splitlines().index("    raise ValueError('boom')") + 1
    error = sweep.records[0].error
    assert error is not None
    assert f'app.py", line {line}, in main\n    raise ValueError(' in error.traceback


def test_what_cannot_be_is_said_before_anything_runs(app: App, slurm: Slurm, tmp_path: Path) -> None:
    def refusal(*arguments: str, **environment: str) -> str:
        done = app.run("-m", "hydra/sweeper=herd", SLURM, "hydra.sweep.dir=s", "width=0,1", *arguments, **environment)
        assert done.returncode == 1
        return done.stderr

    assert "hydra.launcher.array_parallelism: 0 is not a number from 1 up" in refusal(
        "hydra.launcher.array_parallelism=0"
    )
    assert "could not be converted to Integer" in refusal("hydra.launcher.timeout_min=soon")
    assert "Could not override 'hydra.launcher.partitoin'" in refusal("hydra.launcher.partitoin=main")
    assert "did you mean 'partition'?" in refusal("+hydra.launcher.partitoin=main")
    conditions = "hydra.sweeper.conditions=[{when: {width: 1}, resources: {mem: 3}}]"
    assert "'mem' (did you mean 'mem_gb'?)" in refusal(conditions)
    assert "sbatch, squeue" in refusal(PATH=str(tmp_path))
    assert "invalid partition" in refusal("hydra.launcher.partition=nowhere")
    assert not list(app.folder.glob("s/*/.hyperherd"))


def test_a_sweeper_that_is_not_ours(app: App, slurm: Slurm) -> None:
    app.write("""
        if cfg.width == 1: os.kill(os.getpid(), 9)
        print("here", HydraConfig.get().job.num)
    """)
    done = app.run("-m", SLURM, QUICK, "hydra.sweep.dir=s", "width=0,1,2")
    assert done.returncode == 1
    assert "job 1 (" in done.stderr
    assert "Slurm: FAILED" in done.stderr
    assert {path.parent.name for path in (app.folder / "s").glob("*/.hydra")} == {"0", "1", "2"}


def test_cancelled_from_the_records(app: App, slurm: Slurm) -> None:
    app.write("time.sleep(600)")
    arguments = ["width=0,1,2", "hydra.launcher.array_parallelism=1", "hydra.launcher.submitit_folder=logs/%j"]
    left = app.sweep(SLURM, *arguments, "hydra.launcher.wait=false")
    until(lambda: left.states == {0: "running"})
    command = [sys.executable, "-m", "hyperherd.cli", "cancel", str(left.dir)]
    for only, numbers in ((["--only", "pending"], {1, 2}), ([], {0})):
        done = starting.run([*command, *only], text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert {number for number in range(3) if number in verdicts(left.dir)} >= numbers
    assert left.states == {0: "cancelled"}
    job = str(left.records[0].job_id)
    assert slurm.state(job) in ("", "CANCELLED")
    assert (app.folder / "logs" / job / f"{job}_0_log.out").exists()


def test_logs_in_a_folder_of_each_job(app: App, slurm: Slurm) -> None:
    """As hydra-submitit-launcher has it."""
    app.write("if cfg.width == 1: os.kill(os.getpid(), 9)")
    folder = "hydra.launcher.submitit_folder=${hydra.sweep.dir}/.submitit/%j"
    sweep = app.sweep(SLURM, QUICK, folder, "width=0,1,2", code=1)
    assert sweep.states == {0: "completed", 1: "running", 2: "completed"}
    job = str(sweep.records[1].job_id)
    assert f"see {sweep.dir}/.submitit/{job}/{job}_0_log.err" in str(verdicts(sweep.dir)[1].message)


def test_a_trial_that_ran_out_of_memory_gets_more(app: App, own: Slurm) -> None:
    app.write("""
        memory = bytearray(b"x" * 500_000_000)
        while os.environ["HYPERHERD_ATTEMPT"] == "0": time.sleep(0.1)
        print("memory", os.environ["SLURM_MEM_PER_NODE"])
    """)
    retry = "hydra.sweeper.retry={oom: {times: 1, mem_factor: 6}}"
    sweep = app.sweep(SLURM, QUICK, "width=0", "hydra.launcher.mem_gb=0.25", retry)
    assert [event.event for event in read_events(sweep.dir) if event.verdict] == ["oom"]
    assert (sweep.states, sweep.records[0].attempt) == ({0: "completed"}, 1)
    assert TrialPaths(sweep.dir / "0").log(1, "out").read_text().startswith("memory 1536\n")


def test_trials_whose_time_is_up_and_others_that_somebody_cancels(own: Slurm, long_sweep: RunningSweep) -> None:
    app, sweep = long_sweep
    told, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 1, told
    ended = Sweep(None, app.folder / "s")  # type: ignore[arg-type]
    assert {number: event.event for number, event in verdicts(ended.dir).items()} == {1: "timeout", 3: "cancelled"}
    assert {number: (str(record.state), record.cause) for number, record in ended.records.items()} == {
        0: ("failed", "timeout"),
        1: ("running", None),
        2: ("cancelled", None),
    }
    assert "the time limit was reached" in told
    assert "3  width=3  Slurm: CANCELLED" in told
    assert "2 failed, 2 cancelled" in told
