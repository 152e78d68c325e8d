"""A strict fake of IBM Spectrum LSF's commands that really runs the jobs, for the project's tests.

One daemon (`daemon.py`) holds the whole cluster in memory and answers one request at a time, so no two commands ever
race; the commands on PATH (`client.py`) only carry their arguments to it. Each running job has a supervisor process of
its own (`supervisor.py`), which ends when the last process of the job has. Standard library only; nothing outlives the
daemon, and the daemon does not outlive whoever holds the other end of its standard input.

Not emulated, and refused by name where it is an option: normalisation by CPU factor, fair share, jobs on several hosts
(slots are counted on all of them, the script runs here), esub, interactive jobs, checkpoints, cgroups, commands before
and after the job, binding of devices beyond CUDA_VISIBLE_DEVICES.
"""
