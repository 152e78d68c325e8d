"""The emulator's faults: what sites, networks and old versions make of LSF's answers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lsf.emulator.cluster import Cluster
from lsf.emulator.site import WAITS, Site


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
    job = site.submit(WAITS)
    site.wait(job, until="RUN")
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


def test_a_failed_host_may_leave_no_word(site: Site, cluster: Cluster) -> None:
    cluster.set(failed_host_reason="")
    job = site.submit(WAITS)
    site.wait(job, until="RUN")
    cluster.set(failed_hosts=["hostA"])
    (row,) = site.wait(job, until="EXIT")
    assert (row["exit_code"], row["exit_reason"]) == ("-", "-")


def test_history_names_signals_and_who_asked(site: Site, cluster: Cluster) -> None:
    killed, waiting = site.submit("kill -9 $$\n"), site.submit("true\n", "-H")
    site.run("bkill", waiting)
    site.wait(killed, waiting)
    assert "Exited by signal 9." in site.run("bhist", "-l", killed).stdout
    history = site.run("bhist", "-l", waiting).stdout
    assert "Signal <KILL> requested by user or administrator" in " ".join(history.split())
    assert "Dispatched" not in history


def test_the_cluster_may_lose_sight_of_jobs_for_a_while(site: Site, cluster: Cluster) -> None:
    job = site.submit(WAITS, "-J", "a[1-2]")
    site.wait(job, until="RUN")
    cluster.set(lost=[f"{job}[2]"])
    assert [row["jobindex"] for row in site.rows(job)] == ["1"]
    cluster.set(lost=["all"])
    assert site.run("bjobs", job).stderr == f"Job <{job}> is not found\n"
    assert "No matching job found" in site.run("bkill", job).stderr
    assert "Dispatched" in site.run("bhist", "-l", job).stdout
    cluster.set(lost=[])
    assert site.states(job) == ["RUN", "RUN"]


def test_run_limits_may_be_scaled(site: Site, cluster: Cluster) -> None:
    cluster.set(cpu_factor=40.0)
    job = site.submit("sleep 300\n", "-W", "20")  # of 2 s: a second is left
    site.wait(job, until="EXIT")
    cluster.configure(ABS_RUNLIMIT="Y")
    job = site.submit(WAITS, "-W", "20")
    site.wait(job, until="RUN")


def test_an_old_lsf_lacks_options(tmp_path: Path) -> None:
    with Cluster(tmp_path / "old", old=True) as cluster:
        old = Site(tmp_path, cluster.settings.minute, cluster)
        environ = cluster.environ
        for words in (["bjobs", "-o", "jobid"], ["bjobs", "-noheader"], ["bsub", "-gpu", "num=1", "true"]):
            assert "illegal option" in old.run(*words, **environ).stderr
        assert "is submitted" in old.run("bsub", "true", **environ).stdout


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
