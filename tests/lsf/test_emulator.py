"""What only the emulator can be asked: the limits of a cluster, and that it leaves nothing behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from lsf.emulator.cluster import Cluster
from lsf.emulator.site import WAITS, Site

FOREVER = "#!/bin/bash\necho $$ > pid\nsleep 3600\n"


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pids(site: Site, name: str = "pid") -> list[int]:
    site.wait_file(name, "\n")
    return [int(word) for word in (site.folder / name).read_text().split()]


# Processes


DETACHED = f"""#!/bin/bash
{sys.executable} -S -c '
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open("pid.new", "w").write(str(os.getpid()) + "\\n")
        os.rename("pid.new", "pid")
        time.sleep(3600)
    os._exit(0)
'
"""


def test_the_end_of_the_cluster_is_the_end_of_every_process(tmp_path: Path) -> None:
    with Cluster(tmp_path / "lsf") as cluster:
        site = Site(tmp_path, 2.0, cluster)
        path = cluster.environ["PATH"]
        site.submit(DETACHED, PATH=path)
        (pid,) = pids(site)
        assert alive(pid)
    assert not alive(pid)


def test_a_job_runs_until_its_last_process_has_ended_and_bkill_reaches_that_one(site: Site) -> None:
    job = site.submit(DETACHED)
    (pid,) = pids(site)
    assert site.states(job) == ["RUN"]
    site.run("bkill", job)
    (row,) = site.wait(job)
    assert not alive(pid)
    assert row["stat"] == "DONE"  # the script itself had ended well


def test_a_cluster_whose_test_was_killed_ends_by_itself(tmp_path: Path) -> None:
    code = f"""
import os, sys, pathlib, subprocess
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from lsf.emulator.cluster import Cluster
cluster = Cluster(pathlib.Path("lsf"). absolute())
subprocess.run(["bsub", "echo $$ > pid; sleep 3600"], env=dict(os.environ, **cluster.environ))
while not (os.path.exists("pid") and open("pid").read()): pass
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path)
    site = Site(tmp_path, 2.0)
    (pid,) = pids(site)
    site.wait_for(lambda: not alive(pid))


def test_a_script_that_cannot_be_run_says_so_in_its_output(site: Site) -> None:
    job = site.submit("#!/no/such/interpreter\ntrue\n", "-o", "out")
    (row,) = site.wait(job)
    assert row["exit_code"] == "127"
    assert "No such file or directory" in site.wait_file("out", "exit code 127")


def test_a_command_on_the_command_line_loses_its_quotes(site: Site) -> None:
    job = site.run("bsub", "-o", "out", "echo", "two  words", ";", "false").stdout.split("<")[1].split(">")[0]
    (row,) = site.wait(job)
    assert row["stat"] == "EXIT"
    assert "\ntwo words\n" in site.wait_file("out", "follows:")


def test_a_job_has_the_submitters_umask_and_nothing_to_read(site: Site) -> None:
    site.run("sh", "-c", "umask 027; bsub 'umask > umask.new; cat >> umask.new; mv umask.new umask'")
    assert site.wait_file("umask", "\n") == "0027\n"


def test_a_job_whose_folder_is_gone_runs_in_tmp(site: Site) -> None:
    (site.folder / "gone").mkdir()
    command = f"pwd > {site.folder}/there"
    site.run("sh", "-c", f"cd gone; bsub -H '{command}'")
    (site.folder / "gone").rmdir()
    site.run("bresume", "1")
    assert site.wait_file("there", "\n") == "/tmp\n"


def test_what_no_file_is_named_for_goes_by_mail(site: Site, cluster: Cluster) -> None:
    site.wait(
        site.submit("echo by mail\n"),
        site.submit("echo unread\n", LSB_JOB_REPORT_MAIL="N"),
        site.submit("echo in a file\n", "-o", "out", "-N"),
    )
    mail = (cluster.folder / "mail").read_text()
    assert mail.count("Subject: Job") == 2
    assert "\nby mail\n" in mail
    assert "\nunread\n" not in mail
    assert site.wait_file("out") == "in a file\n"


def test_output_that_cannot_be_written_is_lost(site: Site) -> None:
    job = site.submit("echo lost\n", "-o", "no/such/folder/out")
    assert site.wait(job)[0]["stat"] == "DONE"
    assert "Output is lost" in site.run("bhist", "-l", job).stdout


REFUSED = """
-I; -K; -wa USR2; -wa NOSUCH -wt 1; -Q x; -Q 300; -M many; -sp x; -app nosuch; -m nosuch; -env ,; -n 0; -n 3,2; -We 1s
-J; -J a%b; -J a[1-3]%0; -J a[3-1]; -J a[1; -w done(; -w 1&&; -r -rn; -o a -oo b; -W 0; -W 1:x; -gpu num=0
-gpu mode=mine; -gpu num=1:num=1; -R span[hosts=2]; -R rusage[mem=1x]; -R rusage[nosuch=1]
-R span[ptile=1]span[ptile=1]
-R ]
"""
TAKEN = """
-x; -r; -rn; -G group; -P project; -app default; -m hostA; -g /group; -u someone; -W 1:30; -W 30/hostA; -We 5; -env none
-wa SIGUSR2 -wt 0:01; -wa URG -wt 1; -n 1,4; -sp 50; -M 8GB; -Q EXCLUDE(9); -J a.b_c-1; -gpu -
-gpu num=2/host:mode=shared:mps=no:j_exclusive=no:gmodel=A100-80G:gmem=10G
-R mem>100; -R rusage[mem=1:ngpus_excl_p=1]; -R select[mem>1]rusage[mem=8192MB/host]span[hosts=1]
"""


def options_of(text: str) -> list[list[str]]:
    return [options.split() for options in re.split(r"; |\n", text.strip())]


def test_values_out_of_the_grammar_are_refused(site: Site) -> None:
    for options in options_of(REFUSED):
        done = site.run("bsub", *options, stdin="true\n")
        assert (done.returncode, done.stdout) == (255, ""), options
        assert done.stderr.endswith("Job not submitted.\n") or done.stderr.startswith("bsub: option"), options
    assert site.run("bjobs", "-a").stderr == "No job found\n"


def test_values_of_the_grammar_are_taken(site: Site) -> None:
    site.wait(*[site.submit("true\n", *options) for options in options_of(TAKEN)], until="DONE")


# The cluster's limits


def test_finished_jobs_are_forgotten_but_for_history(site: Site, cluster: Cluster) -> None:
    job = site.submit("#!/bin/bash\nexit 4\n")
    site.wait(job)
    cluster.set(clean_period=0.0)
    assert site.rows(job) == []
    assert site.run("bjobs", job).stderr == f"Job <{job}> is not found\n"
    assert site.run("bkill", job).stderr == f"Job <{job}>: No matching job found\n"
    history = site.run("bhist", "-l", "-n", "0", job).stdout
    assert "Exited with exit code 4." in history
    assert "Completed <exit>" not in history
    assert "Status <EXIT>" in site.run("bacct", "-l", job).stdout.replace("\n" + " " * 21, "")


def test_ids_wrap_around_and_spare_those_in_use(site: Site, cluster: Cluster) -> None:
    cluster.set(max_jobid=3)
    held = site.submit("true\n", "-H")
    others = [site.submit("true\n") for _ in range(2)]
    assert [held, *others] == ["1", "2", "3"]
    site.wait(*others)
    cluster.set(clean_period=0.0)
    assert site.submit("true\n") == "2"


def test_array_size_and_slots_have_limits(site: Site, cluster: Cluster) -> None:
    cluster.set(max_array_size=5, task_limit=4)
    assert site.submit("true\n", "-J", "a[1-5]", "-n", "4")
    assert "Job array index too large" in site.run("bsub", "-J", "a[1-6]", "true").stderr
    assert "Too many processors requested" in site.run("bsub", "-n", "5", "true").stderr


def test_jobs_wait_for_slots_and_start_by_priority(site: Site, cluster: Cluster) -> None:
    cluster.set(hosts={"hostA": {"slots": 2}})
    whole = site.submit(WAITS, "-n", "2")
    site.wait(whole, until="RUN")
    low = site.submit("echo low >> order; sleep 0.2\n", "-n", "2", "-sp", "1")
    high = site.submit("echo high >> order; sleep 0.2\n", "-n", "2", "-sp", "9")
    assert site.states(low, high) == ["PEND", "PEND"]
    assert "Not enough job slots" in site.rows(low, fields="pend_reason")[0]["pend_reason"]
    (site.folder / "go").touch()
    site.wait(low, high, until="DONE")
    assert site.wait_file("order") == "high\nlow\n"


def test_a_job_is_placed_as_its_span_says(site: Site, cluster: Cluster) -> None:
    cluster.set(hosts={"hostA": {"slots": 2}, "hostB": {"slots": 2}})
    tiles = site.submit(WAITS, "-n", "2", "-R", "span[ptile=1]")
    site.wait(tiles, until="RUN")
    assert site.rows(tiles, fields="exec_host") == [{"exec_host": "hostA:hostB"}]
    one = site.submit(WAITS, "-n", "2", "-R", "span[hosts=1]")
    spread = site.submit(WAITS, "-n", "2")
    site.wait(spread, until="RUN")
    assert site.states(one) == ["PEND"]


def test_gpus_are_handed_out(site: Site, cluster: Cluster) -> None:
    cluster.set(hosts={"hostA": {"slots": 8, "gpus": 3}})
    script = "echo $CUDA_VISIBLE_DEVICES > gpus.$LSB_JOBID\n" + WAITS.partition("\n")[2]
    first = site.submit(script, "-gpu", "num=2:mode=exclusive_process:j_exclusive=yes")
    second = site.submit(script, "-gpu", "num=1")
    third = site.submit(script, "-gpu", "num=2")
    assert site.wait_file(f"gpus.{first}", "\n") == "0,1\n"
    assert site.wait_file(f"gpus.{second}", "\n") == "2\n"
    assert site.states(third) == ["PEND"]
    (site.folder / "go").touch()
    assert site.wait_file(f"gpus.{third}", "\n").count(",") == 1
    assert "Job not submitted" in site.run("bsub", "-gpu", "number=2", "true").stderr
    cluster.configure(LSB_GPU_NEW_SYNTAX=None)
    assert "LSB_GPU_NEW_SYNTAX" in site.run("bsub", "-gpu", "num=2", "true").stderr


def test_a_job_that_takes_too_much_memory_is_killed(site: Site) -> None:
    job = site.submit(
        f"exec {sys.executable} -S -c 'x = bytearray(300 << 20); import time; time.sleep(3600)'\n", "-M", "100"
    )
    (row,) = site.wait(job)
    assert (row["stat"], row["exit_code"]) == ("EXIT", "137")
    assert row["exit_reason"] == "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit"


def test_after_the_run_limit_comes_a_grace_then_the_kill(site: Site, cluster: Cluster) -> None:
    cluster.set(minute=1.0, grace_minutes=0.5)
    script = "trap 'echo usr2 >> got' USR2; trap 'echo int >> got' INT; while true; do sleep 0.05; done\n"
    job = site.submit(f"#!/bin/bash\n{script}", "-W", "2")
    (row,) = site.wait(job)
    assert (row["stat"], row["exit_reason"].split(":")[0]) == ("EXIT", "TERM_RUNLIMIT")
    assert site.wait_file("got", "int").splitlines() == ["usr2", "int"]


def test_a_job_that_was_requeued_too_often_is_held(site: Site, cluster: Cluster) -> None:
    cluster.set(max_job_requeue=2)
    job = site.submit("echo run >> runs; exit 99\n", "-Q", "99")
    site.wait(job, until="PSUSP")
    assert site.wait_file("runs") == "run\nrun\n"


def test_a_job_that_a_signal_ended_is_not_requeued(site: Site) -> None:
    job = site.submit("#!/bin/bash\necho run >> runs\nkill -HUP $$\n", "-Q", "all")
    (row,) = site.wait(job)
    assert (row["stat"], row["exit_code"], site.wait_file("runs")) == ("EXIT", "129", "run\n")


def test_brequeue_shows_the_job_as_exit_for_a_while(site: Site, cluster: Cluster) -> None:
    cluster.set(requeue_exit_visible=3600.0)
    job = site.submit("#!/bin/bash\necho run >> runs\nsleep 3600\n")
    site.wait_file("runs")
    site.run("brequeue", job)
    (row,) = site.wait(job, until="EXIT")
    assert row["exit_reason"] == "TERM_REQUEUE_OWNER: job killed and requeued by owner"
    assert site.wait_file("runs") == "run\n"
    site.run("bkill", job)
    assert site.rows(job)[0]["exit_reason"] == "TERM_OWNER: job killed by owner"


def test_bkill_can_leave_at_once_or_call_it_done(site: Site) -> None:
    gone = site.submit("#!/bin/bash\ntrap '' INT TERM\ntouch gone\nsleep 3600\n")
    done = site.submit("#!/bin/bash\ntouch done\nsleep 3600\n")
    site.wait_file("gone")
    site.wait_file("done")
    site.run("bkill", "-r", gone)
    assert site.rows(gone)[0]["exit_reason"].startswith("TERM_FORCE_OWNER")
    site.run("bkill", "-d", done)
    site.wait(done, until="DONE")


def test_a_parallel_job_may_be_asked_before_it_is_killed(site: Site, cluster: Cluster) -> None:
    cluster.configure(LSB_USE_SEQUENTIAL_SIGNAL="Y")
    job = site.submit("#!/bin/bash\ntouch ready\nsleep 3600\n", "-n", "2")
    site.wait_file("ready")
    site.run("bkill", job)
    assert site.wait(job)[0]["exit_code"] == "130"


def test_a_stopped_job_can_be_killed(site: Site) -> None:
    job = site.submit(FOREVER)
    pids(site)
    site.run("bstop", job)
    assert site.states(job) == ["USUSP"]
    site.run("bkill", job)
    assert site.wait(job)[0]["exit_code"] == "130"
    assert site.run("bkill", "-s", "FOO", job).stderr == "FOO: Illegal signal value\n"


def test_an_exclusive_job_is_alone_on_its_host(site: Site) -> None:
    alone = site.submit(WAITS, "-x")
    other = site.submit("true\n")
    site.wait(alone, until="RUN")
    assert site.states(other) == ["PEND"]
    (site.folder / "go").touch()
    site.wait(other, until="DONE")


def test_bkill_0_takes_all_that_match(site: Site) -> None:
    kept = site.submit(WAITS, "-J", "kept")
    for _ in range(2):
        site.submit(WAITS, "-J", "mine")
    done = site.run("bkill", "-J", "mine", "0")
    assert done.stdout.count("is being terminated") == 2
    site.wait("2", "3", until="EXIT")
    assert site.states(kept) in (["PEND"], ["RUN"])
    assert site.run("bkill", "-J", "nosuch", "0").stderr == "No matching job found\n"


def test_one_element_can_be_killed_by_its_name(site: Site) -> None:
    job = site.submit(WAITS, "-J", "a[1-2]", "-H")
    assert site.run("bkill", "-J", "a[2]").stdout == f"Job <{job}[2]> is being terminated\n"
    assert site.states(job) == ["PSUSP", "EXIT"]


def test_bmod_changes_all_that_is_asked_or_nothing(site: Site) -> None:
    job = site.submit("true\n", "-H", "-W", "5")
    done = site.run("bmod", "-Jd", "new", "-W", "soon", job)
    assert (done.returncode, done.stderr) == (255, "soon: Bad RUNLIMIT specification. Job not modified.\n")
    fields = "job_description runtimelimit queue"
    assert site.rows(job, fields=fields) == [{"job_description": "-", "runtimelimit": "5.0", "queue": "normal"}]
    assert site.run("bmod", "-Jd", "new", "-Wn", "-q", "short", job).returncode == 0
    assert site.rows(job, fields=fields) == [{"job_description": "new", "runtimelimit": "-", "queue": "short"}]


def test_what_runs_can_be_changed_little(site: Site, cluster: Cluster) -> None:
    job = site.submit(WAITS, "-W", "5")
    site.wait(job, until="RUN")
    assert "Job has already started" in site.run("bmod", "-W", "6", job).stderr
    cluster.configure(LSB_MOD_ALL_JOBS="Y")
    assert site.run("bmod", "-W", "6", job).returncode == 0
    assert site.rows(job, fields="stat runtimelimit") == [{"stat": "RUN", "runtimelimit": "6.0"}]


def test_a_dependency_that_cannot_come_true_ends_the_job_where_asked(site: Site) -> None:
    failed = site.submit("exit 1\n", "-J", "first[1-2]")
    waits = site.submit("true\n", "-J", "second[1-2]", "-w", 'done("first[*]")')
    orphan = site.submit("true\n", "-w", f"done({failed})", "-ti")
    (row,) = site.wait(orphan)
    assert row["exit_reason"].startswith("TERM_ORPHAN_SYSTEM")
    assert site.states(waits) == ["PEND", "PEND"]
    assert "Dependency condition invalid or never satisfied" in site.run("bjobs", "-l", waits).stdout


def test_output_can_go_straight_to_its_file(site: Site, cluster: Cluster) -> None:
    cluster.configure(LSB_STDOUT_DIRECT="Y")
    job = site.submit("echo early\n" + WAITS.partition("\n")[2], "-o", "out")
    assert site.wait_file("out", "early") == "early\n"
    (site.folder / "go").touch()
    site.wait(job)
    assert site.wait_file("out", "above this job summary.").startswith("early\n")


def test_bpeek_shows_what_a_running_job_has_printed(site: Site) -> None:
    job = site.submit("echo so far; touch ready\n" + WAITS.partition("\n")[2])
    site.wait_file("ready")
    assert site.run("bpeek", job).stdout == "<< output from stdout >>\nso far\n"
