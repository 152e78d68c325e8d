"""What only the emulator can be asked: its limits of a cluster, its faults, and that it leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lsf.emulator.cluster import Cluster
from lsf.emulator.site import Site

FOREVER = "#!/bin/bash\necho $$ > pid\nsleep 3600\n"
WAITS = "#!/bin/bash\nuntil [ -e go ]; do sleep 0.05; done\n"


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path) -> Site:
    folder = tmp_path / "work"
    folder.mkdir()
    return Site(folder, cluster.settings.minute, cluster)


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
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=60)
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


# The cluster's limits


def test_finished_jobs_are_forgotten_but_for_history(site: Site, cluster: Cluster) -> None:
    job = site.submit("#!/bin/bash\nexit 4\n")
    site.wait(job)
    cluster.set(clean_period=0.0)
    assert site.rows(job) == []
    assert site.run("bjobs", job).stderr == f"Job <{job}> is not found\n"
    assert site.run("bkill", job).stderr == f"Job <{job}>: No matching job found\n"
    assert "Completed <exit>" in site.run("bhist", "-l", "-n", "0", job).stdout
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


# Faults


def test_bsub_may_talk_around_its_line_and_may_say_nothing(site: Site, cluster: Cluster) -> None:
    cluster.set(bsub_before=["Memory Limit is (MB): 1024", ""], bsub_after=["Job is submitted to <p> project."])
    lines = site.run("bsub", "true").stdout.splitlines()
    assert lines == [
        "Memory Limit is (MB): 1024",
        "",
        "Job <1> is submitted to default queue <normal>.",
        "Job is submitted to <p> project.",
    ]
    cluster.set(bsub_before=[], bsub_after=[])
    assert site.run("bsub", "-q", "short", "true", BSUB_QUIET="1").stdout == ""
    assert site.run("bsub", "-q", "short", "true", BSUB_STDERR="1").stderr == "Job <3> is submitted to queue <short>.\n"


def test_bsub_may_fail_once_or_fail_although_the_job_is_there(site: Site, cluster: Cluster) -> None:
    cluster.set(fail_next={"bsub": ["Request from non-LSF host rejected"]})
    done = site.run("bsub", "true")
    assert (done.returncode, done.stderr) == (255, "Request from non-LSF host rejected\n")
    assert site.submit("true\n") == "1"
    cluster.set(bsub_lies="Failed in an LSF library call: Communication time out. Job not submitted.")
    assert site.run("bsub", "-J", "there", "true").returncode == 255
    assert site.rows("2", fields="job_name") == [{"job_name": "there"}]


def test_while_the_batch_system_is_down_commands_try_as_often_as_they_are_told(site: Site, cluster: Cluster) -> None:
    held = site.submit("true\n", "-H")
    cluster.set(down=True)
    done = site.run("bjobs", held, LSB_NTRIES="2")
    assert (done.returncode, done.stdout) == (255, "")
    assert done.stderr == "LSF is down. Please wait ...\n" * 2 + "Connection refused by server\n"
    assert "Connection refused by server. Job not submitted." in site.run("bsub", "true", LSB_NTRIES="1").stderr
    assert f"Job <{held}>: Connection refused by server" in site.run("bkill", held, LSB_NTRIES="1").stderr


def test_without_a_number_of_tries_a_command_waits_for_ever(site: Site, cluster: Cluster) -> None:
    job = site.submit("true\n", "-H")
    cluster.set(down=True)
    words = ["bjobs", "-noheader", "-o", "stat", job]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        assert [waiting.stderr.readline() for _ in range(3)] == ["LSF is down. Please wait ...\n"] * 3
        cluster.set(down=False)
        assert waiting.communicate()[0] == "PSUSP\n"
    assert waiting.returncode == 0


def test_a_daemon_that_is_gone_is_down_as_well(site: Site, cluster: Cluster) -> None:
    cluster.stop()
    done = site.run("bsub", "true", LSB_NTRIES="1")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (255, "Connection refused by server. Job not submitted.")
    cluster.start()
    assert site.run("bjobs").stderr == "No unfinished job found\n"


def test_a_slow_answer_is_announced_before_the_data(site: Site, cluster: Cluster) -> None:
    job = site.submit("true\n", "-H")
    cluster.set(slow=0.1, waiting_on_stdout=True)
    done = site.run("bjobs", "-noheader", "-o", "stat", job)
    assert done.stdout == "LSF is processing your request. Please wait ...\nPSUSP\n"


def test_too_many_pending_jobs_hold_bsub_back(site: Site, cluster: Cluster) -> None:
    cluster.set(max_pend_jobs=1)
    site.submit("true\n", "-H")
    done = site.run("bsub", "true", LSB_NTRIES="2")
    assert done.returncode == 255
    assert done.stderr.count("Pending job threshold reached. Retrying") == 2


def test_queries_of_an_old_or_odd_lsf(site: Site, cluster: Cluster) -> None:
    job = site.submit("exit 2\n", "-J", "a[1-3]", "-n", "2")
    site.wait(job)
    cluster.set(unknown_fields=["exit_reason"])
    assert "exit_reason" in site.run("bjobs", "-o", "exit_reason", job).stderr
    cluster.set(blank_exit_codes=True)
    assert [row["exit_code"] for row in site.rows(job, fields="jobindex exit_code")] == ["2", "-", "2"]
    cluster.configure(LSB_BJOBS_DISPLAY_ENH="Y", LSB_SHORT_HOSTLIST="1", LSB_BJOBS_FORMAT="stat jobid")
    assert site.rows(f"{job}[2]", fields="jobid exec_host") == [{"jobid": f"{job}[2]", "exec_host": "2*hostA"}]
    assert site.run("bjobs", f"{job}[2]").stdout.splitlines()[0].split() == ["STAT", "JOBID"]


def test_exit_codes_of_bjobs_say_little_unless_they_are_told_to(site: Site, cluster: Cluster) -> None:
    job = site.submit("true\n", "-H")

    def codes() -> list[int]:
        return [site.run("bjobs", *words).returncode for words in (["-r"], ["99"], [job], [job, "99"])]

    assert codes() == [0, 0, 0, 255]
    cluster.configure(LSB_BJOBS_CONSISTENT_EXIT_CODE="Y")
    assert codes() == [255, 255, 0, 255]


def test_states_can_be_shown_that_are_not_so(site: Site, cluster: Cluster) -> None:
    job = site.submit("true\n", "-J", "a[1-2]", "-H")
    cluster.set(shown={f"{job}[2]": "SSUSP"})
    assert site.states(job) == ["PSUSP", "SSUSP"]


def test_a_host_out_of_reach_makes_jobs_unknown_until_it_is_back(site: Site, cluster: Cluster) -> None:
    job = site.submit(WAITS)
    site.wait(job, until="RUN")
    cluster.set(unreachable_hosts=["hostA"])
    assert site.states(job) == ["UNKWN"]
    (site.folder / "go").touch()
    assert site.run("bjobs", job).returncode == 0
    assert site.states(job) == ["UNKWN"]
    cluster.set(unreachable_hosts=[])
    site.wait(job, until="DONE")


def test_a_job_killed_out_of_reach_is_a_zombie(site: Site, cluster: Cluster) -> None:
    job = site.submit(FOREVER)
    pids(site)
    cluster.set(unreachable_hosts=["hostA"])
    site.run("bkill", job)
    assert site.states(job) == ["ZOMBI"]
    cluster.set(unreachable_hosts=[])
    site.wait(job, until="EXIT")


def test_a_failed_host_takes_its_jobs_down_and_reruns_those_that_may(site: Site, cluster: Cluster) -> None:
    cluster.set(hosts={"hostA": {"slots": 4}, "hostB": {"slots": 4}})
    script = '#!/bin/bash\necho $LSB_HOSTS ${LSB_RESTART-} >> ran.$LSB_JOBID\n[ -n "$LSB_RESTART" ] || sleep 3600\n'
    again, lost = site.submit(script, "-m", "hostA hostB", "-r"), site.submit(script, "-m", "hostA")
    for job in (again, lost):
        site.wait_file(f"ran.{job}", "hostA")
    cluster.set(failed_hosts=["hostA"])
    site.wait(lost, until="EXIT")
    site.wait(again, until="DONE")
    assert site.wait_file(f"ran.{again}") == "hostA\nhostB Y\n"


def test_a_requeue_may_leave_its_host(site: Site, cluster: Cluster) -> None:
    cluster.set(hosts={"hostA": {"slots": 4}, "hostB": {"slots": 4}})
    job = site.submit("echo $LSB_HOSTS >> ran; [ $(wc -l < ran) -gt 1 ] || exit 9\n", "-Q", "EXCLUDE(9)")
    site.wait(job, until="DONE")
    assert site.wait_file("ran") == "hostA\nhostB\n"


def test_every_call_is_on_record(site: Site, cluster: Cluster) -> None:
    site.submit("true\n", "-J", "it's")
    site.run("bjobs", "-a", "12")
    assert cluster.calls("bsub") == [["-J", "it's"]]
    assert cluster.calls("bjobs") == [["-a", "12"]]


def test_a_setting_that_does_not_exist_is_refused(cluster: Cluster) -> None:
    with pytest.raises(TypeError, match="no setting"):
        cluster.set(minutes=3)
