"""The contract of LSF's commands, in commands alone: with --lsf it is asked of a real LSF."""

from __future__ import annotations

import sys

import pytest
from lsf.emulator.site import Site

PYTHON = f"exec {sys.executable} -S -c"
HANDLES = """
import os, signal, sys, time
def handle(number, frame):
    print("got", signal.Signals(number).name, flush=True)
    sys.exit({code})
for name in ("SIGINT", "SIGTERM", "SIGUSR2"):
    signal.signal(getattr(signal, name), handle)
open("ready", "w").write(str(os.getpid()))
time.sleep(3600)
"""


def python(code: str) -> str:
    """A script that is this Python program."""
    return f"#!/bin/bash\n{PYTHON} '{code}'\n"


# Submission and what a job sees


def test_a_script_on_standard_input_runs_and_its_output_comes_with_a_report(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\n#BSUB -J name\n#BSUB -o out.%J.%I\necho said by $LSB_JOBID at $LSB_JOBINDEX\n")
    (row,) = lsf.wait(job)
    assert row == {"jobid": job, "jobindex": "0", "stat": "DONE", "exit_code": "-", "exit_reason": "-"}
    text = lsf.wait_file(f"out.{job}.0", f"said by {job} at 0\n")
    assert f"Subject: Job {job}: <name> in cluster <" in text
    assert "Successfully completed." in text


def test_the_line_of_bsub_names_the_queue(lsf: Site) -> None:
    done = lsf.run("bsub", "-J", "plain", "true")
    assert done.returncode == 0
    line = next(line for line in done.stdout.splitlines() if line.startswith("Job <"))
    assert line.split("> is submitted to ")[1].startswith(("default queue <", "queue <"))


def test_output_appends_or_overwrites_and_stderr_may_go_apart(lsf: Site) -> None:
    for name in ("one", "two"):
        script = f"#!/bin/bash\necho {name}\necho {name} is wrong >&2\n"
        lsf.wait(lsf.submit(script, "-o", "appended"))
        lsf.wait(lsf.submit(script, "-oo", "fresh", "-eo", "errors"))
        lsf.wait_file("appended", f"{name} is wrong\n")
        lsf.wait_file("fresh", f"\n{name}\n")
        assert lsf.wait_file("errors", name) == f"{name} is wrong\n"
    assert lsf.wait_file("appended").count("Sender: LSF System") == 2
    assert lsf.wait_file("fresh").count("Sender: LSF System") == 1


def test_the_exit_code_is_the_scripts(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\n#BSUB -oo out\nexit 7\n")
    (row,) = lsf.wait(job)
    assert (row["stat"], row["exit_code"], row["exit_reason"]) == ("EXIT", "7", "-")
    assert "Exited with exit code 7." in lsf.wait_file("out", "exit code")


def test_the_command_line_is_stronger_than_the_script(lsf: Site) -> None:
    job = lsf.submit(
        '#!/bin/bash\n#BSUB -J "inside"\n#BSUB -o inside.out\ntrue\n', "-J", "outside", "-o", "outside.out"
    )
    assert lsf.rows(job, fields="job_name output_file") == [{"job_name": "outside", "output_file": "outside.out"}]


def test_options_are_read_from_anywhere_in_the_script(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\ntrue\n#BSUB -J late # a comment\n#BSUB -Jd 'two words'\n")
    rows = lsf.rows(job, fields="job_name job_description")
    assert rows == [{"job_name": "late", "job_description": "two words"}]


def test_a_job_has_the_submitters_environment_and_lsfs(lsf: Site) -> None:
    script = "#!/bin/bash\nenv > env.$LSB_JOBID\necho done >> env.$LSB_JOBID\n"
    job = lsf.submit(script, "-J", "named", "-n", "1", MINE='it\'s "mine"', LSB_JOBINDEX="77")
    seen = dict(line.partition("=")[::2] for line in lsf.wait_file(f"env.{job}", "\ndone\n").splitlines())
    assert seen["MINE"] == 'it\'s "mine"'
    assert (seen["LSB_JOBID"], seen["LSB_JOBINDEX"], seen["LSB_BATCH_JID"]) == (job, "0", job)
    assert seen["LSB_JOBNAME"] == "named"
    assert seen["LS_SUBCWD"] == seen["PWD"] == str(lsf.folder)
    assert len(seen["LSB_HOSTS"].split()) == 1
    assert seen["LSB_MCPU_HOSTS"].split() == [seen["LSB_HOSTS"], "1"]


def test_what_env_asks_for_is_what_the_job_gets(lsf: Site) -> None:
    script = "#!/bin/bash\necho =${MINE-unset}=${OTHER-unset}= > env.$LSB_JOBID\n"
    for asked, seen in (("none", "=unset=unset="), ("all, OTHER=b", "=a=b="), ("all, ~MINE", "=unset=unset=")):
        job = lsf.submit(script, "-env", asked, MINE="a")
        lsf.wait_file(f"env.{job}", seen)


def test_a_job_runs_where_cwd_says(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\npwd > there\n", "-cwd", str(lsf.folder / "sub_%J"))
    assert lsf.wait_file(f"sub_{job}/there", "sub").strip() == str(lsf.folder / f"sub_{job}")


# Arrays


def test_each_element_of_an_array_has_its_index_and_its_end(lsf: Site) -> None:
    script = (
        '#!/bin/bash\n#BSUB -J "a[1-5:2,8]"\n#BSUB -o a.%J.%I\necho $LSB_JOBNAME $LSB_BATCH_JID\nexit $LSB_JOBINDEX\n'
    )
    job = lsf.submit(script)
    rows = lsf.wait(job)
    assert [(row["jobindex"], row["exit_code"]) for row in rows] == [("1", "1"), ("3", "3"), ("5", "5"), ("8", "8")]
    assert f"a[3] {job}[3]\n" in lsf.wait_file(f"a.{job}.3", "a[3]")


def test_elements_can_be_asked_for_one_by_one(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\ntrue\n", "-J", "a[1-6]")
    assert [row["jobindex"] for row in lsf.rows(f"{job}[2]", f"{job}[4-5]")] == ["2", "4", "5"]
    done = lsf.run("bjobs", "-noheader", "-o", "jobid", f"{job}[9]")
    assert done.stderr == f"Job <{job}[9]> is not found\n"


def test_no_more_elements_run_at_once_than_the_array_allows(lsf: Site) -> None:
    script = "#!/bin/bash\nmkdir slot || exit 1\nsleep 0.1\nrmdir slot\n"
    rows = lsf.wait(lsf.submit(script, "-J", "a[1-6]%1"))
    assert [row["stat"] for row in rows] == ["DONE"] * 6


@pytest.mark.needs("bmod")
def test_the_limit_of_an_array_can_be_changed(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\nuntil [ -e go ]; do sleep 0.1; done\n", "-J", "a[1-3]%1")
    lsf.wait_for(lambda: sorted(lsf.states(job)) == ["PEND", "PEND", "RUN"])
    done = lsf.run("bmod", "-J", "%3", job)
    assert f"Parameters of job <{job}> are being changed" in done.stdout
    lsf.wait(job, until="RUN")
    (lsf.folder / "go").touch()
    assert {row["stat"] for row in lsf.wait(job)} == {"DONE"}


# Ends


def test_bkill_interrupts_first(lsf: Site) -> None:
    job = lsf.submit(python(HANDLES.format(code=3)), "-o", "out")
    lsf.wait_file("ready")
    done = lsf.run("bkill", job)
    assert (done.returncode, done.stdout) == (0, f"Job <{job}> is being terminated\n")
    (row,) = lsf.wait(job)
    assert (row["stat"], row["exit_code"]) == ("EXIT", "3")
    assert row["exit_reason"] == "TERM_OWNER: job killed by owner"
    assert "got SIGINT\n" in lsf.wait_file("out", "got")


def test_bkill_kills_what_will_not_go(lsf: Site) -> None:
    script = "#!/bin/bash\ntrap '' INT TERM\ntouch ready\nwhile true; do sleep 0.1; done\n"
    job = lsf.submit(script)
    lsf.wait_file("ready")
    lsf.run("bkill", job)
    (row,) = lsf.wait(job)
    assert (row["stat"], row["exit_reason"].split(":")[0]) == ("EXIT", "TERM_OWNER")


@pytest.mark.needs("two slots on a host")
def test_a_parallel_job_is_killed_at_once(lsf: Site) -> None:
    job = lsf.submit(python(HANDLES.format(code=3)), "-n", "2", "-R", "span[hosts=1]", "-o", "out")
    lsf.wait_file("ready")
    lsf.run("bkill", job)
    (row,) = lsf.wait(job)
    assert (row["stat"], row["exit_code"]) == ("EXIT", "137")
    assert "got SIG" not in lsf.wait_file("out", "exit code 137")


def test_one_element_is_killed_alone(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\nuntil [ -e go ]; do sleep 0.1; done\n", "-J", "a[1-2]")
    lsf.wait(job, until="RUN")
    assert lsf.run("bkill", f"{job}[2]").stdout == f"Job <{job}[2]> is being terminated\n"
    lsf.wait(f"{job}[2]", until="EXIT")
    assert lsf.states(f"{job}[1]") == ["RUN"]
    (lsf.folder / "go").touch()
    lsf.wait(f"{job}[1]", until="DONE")


def test_a_held_job_is_killed_before_it_starts(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\ntouch started\n", "-H")
    lsf.wait(job, until="PSUSP")
    assert lsf.run("bkill", "-s", "USR2", job).stderr.startswith(f"Job <{job}>: Job has not started yet")
    lsf.run("bkill", job)
    (row,) = lsf.wait(job)
    assert row["stat"] == "EXIT"
    assert not (lsf.folder / "started").exists()


def test_bkill_tells_what_it_could_not_do(lsf: Site) -> None:
    ended = lsf.submit("#!/bin/bash\ntrue\n")
    lsf.wait(ended)
    held = lsf.submit("#!/bin/bash\ntrue\n", "-H")
    done = lsf.run("bkill", ended, "999999", held)
    assert done.returncode == 255
    assert f"Job <{ended}>: Job has already finished" in done.stderr
    assert "Job <999999>: No matching job found" in done.stderr
    assert f"Job <{held}> is being terminated" in done.stdout
    lsf.wait(held, until="EXIT")
    assert "123_4" in lsf.run("bkill", "123_4").stderr


def test_a_signal_reaches_the_script_and_its_child(lsf: Site) -> None:
    script = f"#!/bin/bash\ntrap : USR2\n{sys.executable} -S -c '{HANDLES.format(code=3)}'\necho child $?\nexit 4\n"
    job = lsf.submit(script, "-o", "out")
    lsf.wait_file("ready")
    assert lsf.run("bkill", "-s", "USR2", job).stdout == f"Job <{job}> is being signaled\n"
    (row,) = lsf.wait(job)
    assert row["exit_code"] == "4"
    assert "got SIGUSR2\nchild 3\n" in lsf.wait_file("out", "child 3")


@pytest.mark.needs("bsub -Q")
def test_a_script_without_a_trap_dies_of_the_signal_but_the_job_lasts_as_long_as_its_child(lsf: Site) -> None:
    child = """
import os, signal, sys, time
def save(number, frame):
    time.sleep(0.5)
    open("saved", "w").close()
    sys.exit(99)
signal.signal(signal.SIGUSR2, save)
open("ready", "w").close()
time.sleep(3600)
"""
    job = lsf.submit(f"#!/bin/bash\n{sys.executable} -S -c '{child}'\nexit $?\n", "-Q", "99")
    lsf.wait_file("ready")
    lsf.run("bkill", "-s", "USR2", job)
    (row,) = lsf.wait(job)
    assert (row["stat"], row["exit_code"]) == ("EXIT", "140")
    assert (lsf.folder / "saved").exists()


@pytest.mark.slow
def test_the_run_limit_sends_usr2_which_ends_a_script_without_a_trap(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\nsleep 3600\n", "-W", "1", "-o", "out")
    (row,) = lsf.wait(job)
    assert (row["stat"], row["exit_code"]) == ("EXIT", "140")
    assert row["exit_reason"] == "TERM_RUNLIMIT: job killed after reaching LSF run time limit"
    assert "Exited with exit code 140." in lsf.wait_file("out", "exit code")


@pytest.mark.slow
@pytest.mark.needs("bsub -wa -wt")
def test_the_warning_comes_before_the_run_limit(lsf: Site) -> None:
    script = python(HANDLES.format(code=5))
    job = lsf.submit("#!/bin/bash\n#BSUB -W 4\n#BSUB -wa USR2\n#BSUB -wt 2\n#BSUB -o out\n" + script)
    (row,) = lsf.wait(job)
    assert (row["exit_code"], row["exit_reason"]) == ("5", "-")
    assert "got SIGUSR2\n" in lsf.wait_file("out", "got")


# Again


@pytest.mark.needs("bsub -Q")
def test_an_exit_code_requeues_the_job_under_its_id(lsf: Site) -> None:
    script = "#!/bin/bash\necho run >> runs\n[ $(wc -l < runs) -ge 3 ] || { echo lost; exit 99; }\necho kept\n"
    job = lsf.submit(script, "-Q", "99", "-o", "out")
    (row,) = lsf.wait(job)
    assert (row["jobid"], row["stat"]) == (job, "DONE")
    assert lsf.wait_file("runs") == "run\n" * 3
    text = lsf.wait_file("out", "kept")
    assert "lost\n\n" not in text.partition("follows:")[2]
    assert text.count("Sender: LSF System") == 1


@pytest.mark.needs("bsub -Q")
def test_other_codes_do_not_requeue(lsf: Site) -> None:
    (row,) = lsf.wait(lsf.submit("#!/bin/bash\necho run >> runs\nexit 3\n", "-Q", "all ~3"))
    assert (row["stat"], row["exit_code"], lsf.wait_file("runs")) == ("EXIT", "3", "run\n")


@pytest.mark.needs("brequeue")
def test_brequeue_runs_a_job_again(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\necho run >> runs\n[ $(wc -l < runs) -ge 2 ] || sleep 3600\n")
    lsf.wait_file("runs")
    done = lsf.run("brequeue", job)
    assert (done.returncode, done.stdout) == (0, f"Job <{job}> is being requeued\n")
    lsf.wait(job, until="DONE")
    assert lsf.wait_file("runs") == "run\nrun\n"


@pytest.mark.needs("bstop and bresume")
def test_a_stopped_job_goes_on_when_it_is_resumed(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\ntouch ready\nuntil [ -e go ]; do sleep 0.1; done\n")
    lsf.wait_file("ready")
    assert lsf.run("bstop", job).stdout == f"Job <{job}> is being stopped\n"
    lsf.wait(job, until="USUSP")
    (lsf.folder / "go").touch()
    assert lsf.run("bresume", job).stdout == f"Job <{job}> is being resumed\n"
    lsf.wait(job, until="DONE")


def test_a_held_job_starts_when_it_is_resumed(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\ntrue\n", "-H")
    lsf.wait(job, until="PSUSP")
    lsf.run("bresume", job)
    lsf.wait(job, until="DONE")


def test_a_dependency_holds_a_job_back(lsf: Site) -> None:
    first = lsf.submit("#!/bin/bash\nuntil [ -e go ]; do sleep 0.1; done\nexit 3\n")
    after = lsf.submit("#!/bin/bash\n[ -e go ]\n", "-w", f"exit({first}, 3) && !done({first})")
    never = lsf.submit("#!/bin/bash\ntrue\n", "-w", f"done({first})")
    lsf.wait(first, until="RUN")
    assert lsf.states(after, never) == ["PEND", "PEND"]
    (lsf.folder / "go").touch()
    lsf.wait(after, until="DONE")
    assert lsf.states(never) == ["PEND"]


CHECKPOINTS = """
import os, signal, sys, time
if os.path.exists("checkpoint"):
    print("went on from a checkpoint")
    sys.exit(0)
def save(number, frame):
    open("checkpoint", "w").close()
    sys.exit(99)
signal.signal(signal.SIGUSR2, save)
time.sleep(3600)
"""


@pytest.mark.slow
@pytest.mark.needs("bsub -Q", "bsub -wa -wt")
def test_a_job_that_is_warned_can_save_and_go_on_after_a_requeue(lsf: Site) -> None:
    options = "#BSUB -W 6\n#BSUB -wa USR2\n#BSUB -wt 4\n#BSUB -Q 99\n#BSUB -o out\n"
    script = f"{sys.executable} -S -c '{CHECKPOINTS}'\nexit $?\n"
    (row,) = lsf.wait(lsf.submit(f"#!/bin/bash\n{options}trap : USR2\n{script}"))
    assert row["stat"] == "DONE"
    assert "went on from a checkpoint" in lsf.wait_file("out", "went on from a checkpoint\n")
