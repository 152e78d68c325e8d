"""A strict fake of IBM Spectrum LSF's commands that really runs the jobs, for the project's tests.

One daemon (`daemon.py`) holds the whole cluster in memory and answers one request at a time, so no two commands ever
race; the commands on PATH (`client.py`) only carry their arguments to it. Each running job has a supervisor process of
its own (`supervisor.py`), which ends when the last process of the job has. Standard library only; nothing outlives the
daemon, and the daemon does not outlive whoever holds the other end of its standard input.

    with Cluster(tmp_path / "lsf", minute=5.0) as cluster:
        cluster.environ                                # PATH, LSF_ENVDIR and the like for a test's processes
        cluster.set(bsub_before=["noise"])             # settings.py lists what can be set, faults included
        cluster.configure(LSB_BJOBS_DISPLAY_ENH="Y")   # lsf.conf
        cluster.calls("bjobs")                         # the arguments of every call

In tests/lsf the fixtures `cluster` and `lsf` (conftest.py) put it on PATH.

`old` (`python -m emulator FOLDER --old`) takes away the options that came after LSF 7, `cpu_factor` scales run limits,
`lost` makes the cluster deny jobs for a while, and history is as LSF prints it: an exit is an "Exited ..." event.

Not emulated, and refused by name where it is an option: fair share, jobs on several hosts
(slots are counted on all of them, the script runs here), esub, interactive jobs, checkpoints, cgroups, commands before
and after the job, binding of devices beyond CUDA_VISIBLE_DEVICES.
"""
