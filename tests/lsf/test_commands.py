"""The contract of LSF's commands, in commands alone: `pytest tests/lsf/test_commands.py --lsf` asks a real LSF."""

from __future__ import annotations

from lsf.emulator.site import Site


def test_a_script_on_standard_input_runs_and_its_output_comes_with_a_report(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\n#BSUB -J name\n#BSUB -o out.%J.%I\necho said by $LSB_JOBID at $LSB_JOBINDEX\n")
    (row,) = lsf.wait(job)
    assert row == {"jobid": job, "jobindex": "0", "stat": "DONE", "exit_code": "-", "exit_reason": "-"}
    text = lsf.wait_file(f"out.{job}.0", f"said by {job} at 0\n")
    assert f"Subject: Job {job}: <name> in cluster <" in text
    assert "Successfully completed." in text
