"""Nodes whose clocks are wrong: a trial that speaks is alive, and runs once."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

import pytest
from conftest import App, wait_for
from faulty import LEDGER, Faults, ended, entries, finish
from real_slurm import Slurm
from waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("faketime") is None, reason="needs faketime (tests/services.sh installs it)"),
]

CLOCKS = ("+120s", "-120s", "-2h")
QUICK = ["-m", "hydra/sweeper=herd", "hydra/launcher=herd_slurm", "hydra.launcher.poll_s=1", "hydra.sweep.dir=s"]


def test_trials_on_nodes_with_other_clocks_are_awaited_at_a_resume_although_slurm_does_not_know_their_jobs(
    app: App, own: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/bash\n"
        f"clocks=({' '.join(CLOCKS)})\n"
        f'exec env DONT_FAKE_MONOTONIC=1 faketime -f "${{clocks[$SLURM_ARRAY_TASK_ID]}}" {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    # Under faketime 0.9.10 time.sleep fails, and waits for events do not.
    app.write(LEDGER + "import threading\nwhile not os.path.exists('go'): threading.Event().wait(0.1)\nnote('end')")
    arguments = [*QUICK, f"hydra.launcher.python={python}", "width=range(3)", "hydra.sweeper.retry=2"]
    killed = app.start(*arguments)
    until(lambda: len(ended(app).records) == 3, killed)
    killed.send_signal(signal.SIGKILL)
    finish(killed, -signal.SIGKILL)
    records = [record for _, record in sorted(ended(app).records.items())]
    ahead = [(record.started or 0.0) - trial_json(app, record.number) for record in records]
    assert [round(seconds / 60) for seconds in ahead] == [2, -2, -120]  # so the clocks are as they were set
    faults = Faults(tmp_path / "faults", ("sbatch", "squeue", "sacct", "scancel"), monkeypatch)
    faults.before("squeue", "exit 0")
    faults.fail("sacct", "sacct: error: Access/permission denied")
    resumed = app.start(*arguments)
    wait_for(resumed, " 0 to run, 3 already submitted")
    assert faults.count("sbatch") == faults.count("scancel") == 0
    (app.folder / "go").touch()
    finish(resumed)
    assert sorted(entries(app.folder)) == [0, 1, 2]
    assert set(ended(app).states.values()) == {"completed"}


def trial_json(app: App, number: int) -> float:
    """Return when a trial's record was written, by the clock of the file system."""
    return (app.folder / "s" / str(ended(app).planned[number].dir) / ".hyperherd" / "trial.json").stat().st_mtime
