"""Several processes of one command: refused as sweeps, told apart as ranks of a trial."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import App

from hyperherd.metrics.reader import read_metrics
from hyperherd.trial.ranks import current_rank, started_together

TORCHRUN = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        (TORCHRUN, ("torchrun", 2)),
        ({**TORCHRUN, "WORLD_SIZE": "1"}, None),
        ({"WORLD_SIZE": "8", "MASTER_ADDR": "node1"}, None),
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}, ("srun", 2)),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, None),
        ({"OMPI_COMM_WORLD_SIZE": "3"}, ("mpirun", 3)),
        ({"LOCAL_RANK": "0", "WORLD_SIZE": "many"}, None),
    ],
)
def test_what_started_several_processes_of_one_command(
    environment: dict[str, str], found: tuple[str, int] | None
) -> None:
    assert started_together(environment) == found


def test_the_rank_of_a_process_follows_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    assert current_rank() == 0
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert current_rank() == 3


@pytest.mark.parametrize("rank", ["0", "1"])
def test_every_rank_refuses_to_sweep_outside_of_a_trial(app: App, rank: str) -> None:
    app.write("open('ran', 'w').close()")
    done = app.run("-m", "hydra/sweeper=herd", "lr=1,2", **{**TORCHRUN, "RANK": rank, "LOCAL_RANK": rank})
    assert done.returncode == 1
    assert "torchrun has started 2 processes of this command" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in app.folder.iterdir()) == ["app.py", "conf"]


@pytest.mark.slow
def test_torchrun_itself_is_refused(app: App) -> None:
    torchrun = Path(sys.executable).with_name("torchrun")
    if not torchrun.exists():
        pytest.skip("torch is not installed")
    command = [torchrun, "--nproc_per_node=2", "--standalone", app.script, "-m", "hydra/sweeper=herd", "lr=1,2"]
    done = subprocess.run(command, cwd=app.folder, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "torchrun has started 2 processes" in done.stderr
    assert not (app.folder / "multirun").exists()


def test_what_further_ranks_log_is_kept_apart(app: App) -> None:
    app.write("""
        import subprocess
        program = "import os, hyperherd; r = int(os.environ['RANK']); hyperherd.log_result('loss', float(r), step=1)\\n"
        program += "hyperherd.log_result('last', r)"
        for rank in ("0", "1"):
            environment = {**os.environ, "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2"}
            subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    """)
    sweep = app.sweep("lr=1")
    assert read_metrics(sweep.dir / "0").column("value").to_pylist() == [0.0]
    assert sweep.records[0].final == {"last": 0}
    (journal,) = (sweep.dir / "0" / ".hyperherd" / "ranks" / "1").iterdir()
    assert [json.loads(line).get("metrics") for line in journal.read_text().splitlines()] == [{"loss": 1.0}, None]


def test_a_forked_rank_is_told_apart_by_its_own_environment(app: App) -> None:
    app.write("""
        from hyperherd import log_result
        log_result("loss", 0.0, step=1)
        if (pid := os.fork()) == 0:
            os.environ.update(RANK="1", LOCAL_RANK="1", WORLD_SIZE="2")
            log_result("loss", 7.0, step=1)
            os._exit(0)
        os.waitpid(pid, 0)
    """)
    sweep = app.sweep("lr=1")
    assert sweep.records[0].metrics["loss"]["last"] == 0.0
    assert [path.name for path in (sweep.dir / "0" / ".hyperherd" / "ranks").iterdir()] == ["1"]
