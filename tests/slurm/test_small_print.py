"""What a job of Slurm gets and leaves: its log, its warning, its Python, its cause of death, nothing of SBATCH_*."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import App, Sweep
from real_slurm import Slurm, own_slurm, reason_to_skip
from worker_sweeps import jobs_of

HERD = ["hydra/launcher=herd_slurm", "hydra.launcher.poll_s=1"]

pytestmark = pytest.mark.slow


def submitit(sweep: Sweep) -> Path:
    return sweep.dir / ".hyperherd" / "submitit"


def test_the_log_of_a_job_begins_with_what_the_trial_prints(app: App, slurm: Slurm) -> None:
    app.write("print('first words')")
    sweep = app.sweep(*HERD, "width=1,2")
    logs = [path.read_text() for path in submitit(sweep).glob("*_log.out")]
    assert [text.splitlines()[0] for text in logs] == ["first words", "first words"]


def test_a_python_that_the_node_does_not_have_is_named(app: App, slurm: Slurm) -> None:
    app.write("pass")
    sweep = app.sweep(*HERD, "width=1", "hydra.launcher.python=/nowhere/bin/python3.11", code=1)
    assert "/nowhere/bin/python3.11 does not exist or cannot run on the node of the job" in sweep.done.stdout
    assert "hydra.launcher.python" in sweep.done.stdout


def test_a_warning_never_comes_before_the_start(app: App, slurm: Slurm) -> None:
    app.write("time.sleep(3)")  # a warning would end it
    sweep = app.sweep(*HERD, "width=1", "hydra.launcher.timeout_min=2", "hydra.launcher.signal_delay_s=120")
    assert "signal_delay_s=120 would warn a job of 120 s at its start; it is warned 60 s before its end" in (
        sweep.done.stdout + sweep.done.stderr
    )
    (script,) = submitit(sweep).glob("*_submission.sh")
    assert "#SBATCH --signal=USR2@60\n" in script.read_text()


def test_defaults_of_sbatch_in_the_environment_are_left_out_with_a_word(
    app: App, slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBATCH_PARTITION", "nosuch")
    monkeypatch.setenv("SBATCH_ARRAY_INX", "0-7")
    app.write("assert not [name for name in os.environ if name.startswith('SBATCH_')]")
    sweep = app.sweep(*HERD, "width=1")
    told = sweep.done.stdout + sweep.done.stderr
    assert told.count("herd_slurm does not use SBATCH_ARRAY_INX, SBATCH_PARTITION") == 1
    assert len(sweep.records) == 1


@pytest.fixture
def controlled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """A cluster whose jobs are in control groups, so that the kernel ends what takes too much memory."""
    if request.config.getoption("--slurm"):
        pytest.skip("needs control groups of its own (task/cgroup)")
    if reason := reason_to_skip():
        pytest.skip(reason)
    if not Path("/sys/fs/cgroup/memory/memory.oom_control").exists():
        pytest.skip("needs control groups of version 1, mounted at /sys/fs/cgroup")
    with own_slurm(SLURM_UP_CGROUP="1", SLURM_UP_DBD="0") as slurm:
        for name, value in slurm.environment.items():
            monkeypatch.setenv(name, value)
        yield slurm


def test_a_child_that_ran_out_of_memory_is_retried_with_more(app: App, controlled: Slurm) -> None:
    """As a worker of a data loader that the kernel kills: to the trial itself that is an exception."""
    app.write("""
        import subprocess
        code = "x = bytearray(400_000_000); x[::4096] = b'1' * len(x[::4096])"
        if cfg.width == 2: raise ValueError("of another kind")
        subprocess.run([sys.executable, "-c", code], check=True)
    """)
    retry = ["hydra.launcher.mem_gb=0.3", "+hydra.sweeper.retry.oom.times=1", "+hydra.sweeper.retry.oom.mem_factor=4"]
    sweep = app.sweep(*HERD, "width=1,2", *retry, code=1)
    told = sweep.done.stdout + sweep.done.stderr
    assert "retrying trial 0 after oom" in told, told
    assert {number: (str(one.state), one.cause, one.attempt) for number, one in sweep.records.items()} == {
        0: ("completed", None, 1),
        1: ("failed", "exception", 0),
    }, told


def test_a_trial_that_ran_out_of_memory_goes_to_a_worker_that_has_more(app: App, controlled: Slurm) -> None:
    app.write("""
        with open("memory", "a") as file:
            file.write(f"{cfg.width} {os.environ['HYPERHERD_ATTEMPT']} {os.environ['SLURM_MEM_PER_NODE']}\\n")
        if cfg.width == 2:
            memory = bytearray(400_000_000)
            memory[::4096] = b"1" * len(memory[::4096])
    """)
    retry = ["hydra.launcher.mem_gb=0.3", "+hydra.sweeper.retry.oom.times=1", "+hydra.sweeper.retry.oom.mem_factor=4"]
    sweep = app.sweep(*HERD, "width=1,2,3", "hydra.launcher.workers=1", *retry)
    told = sweep.done.stdout + sweep.done.stderr
    assert "retrying trial 1 after oom" in told, told
    memory = sorted((app.folder / "memory").read_text().splitlines())
    assert memory == ["1 0 307", "2 0 307", "2 1 1228", "3 0 307"], told
    assert jobs_of(sweep.dir) == 2
