"""What LSF prints, read: texts of real clusters with the noise they have, and of versions old and new."""

from __future__ import annotations

import os

import pytest

from hyperherd.launch.commands import CommandResult
from hyperherd.launch.lsf.cluster import LsfCluster
from hyperherd.launch.lsf.commands import clean_environment, is_trouble
from hyperherd.launch.lsf.ids import from_lsf, to_lsf
from hyperherd.launch.lsf.parsing import (
    FIELDS,
    JobRow,
    asks_for_requeue,
    read_history,
    read_named,
    read_not_found,
    read_rows,
    read_submitted,
    says_none,
)
from hyperherd.launch.lsf.states import is_explained, submitit_state, verdict, wants_requeue

NOISY_BSUB = """\
Memory reservation is (MB): 1024
Memory Limit is (MB): 1024

===Your total amount of memory reservation for this job is (MB): 1024 ===

Job <301828> is submitted to default queue
<short>.
"""

BACCT = """\

Accounting information about jobs that are:
  - submitted by all users.
  - accounted on all projects.
  - completed normally or exited
  - executed on all hosts.
  - submitted to all queues.
  - accounted on all service classes.
------------------------------------------------------------------------------

Job <3224113>, User <rmurri>, Project <default>, Status <EXIT>, Queue <pub.1h>,
                     Command <sleep 300>, Share group charged </lsf_biol_all/ls
                     f_aeber/rmurri>
Fri Oct  5 17:49:35: Submitted from host <brutus4>, CWD <$HOME>, Output File <l
                     sf.o%J>;
Fri Oct  5 17:50:35: Dispatched to <a3191>;
Fri Oct  5 17:51:30: Completed <exit>; TERM_OWNER: job killed by owner.

Accounting information about this job:
     Share group charged </lsf_biol_all/lsf_aeber/rmurri>
     CPU_T     WAIT     TURNAROUND   STATUS     HOG_FACTOR    MEM    SWAP
      0.04       60            115     exit         0.0003     1M     34M
------------------------------------------------------------------------------

SUMMARY:      ( time unit: second )
 Total number of done jobs:       0      Total number of exited jobs:     1
"""

BHIST = """\
Job <12>, Job Name <arr[1]>, User <u>, Project <default>, Command <#!/bin/bash>
Mon Aug  4 12:26:51 2014: Submitted from host <h>, to Queue <normal>;
Mon Aug  4 12:27:51 2014: Dispatched to <h>;
Mon Aug  4 12:28:00 2014: Pending: Requeued job is waiting for rescheduling;(exi
                          t code 99)
Mon Aug  4 12:28:10 2014: Dispatched to <h>;
Mon Aug  4 12:28:51 2014: Exited with exit code 127. The CPU time used is 0.1 s
                          econds.
Mon Aug  4 12:28:51 2014: Completed <exit>.
------------------------------------------------------------------------------

Job <12[2]>, Job Name <arr[2]>, User <u>, Project <default>
Mon Aug  4 12:27:51 2014: Dispatched to <h>;
Mon Aug  4 12:28:51 2014: Done successfully. The CPU time used is 0.1 seconds.
Mon Aug  4 12:28:51 2014: Completed <done>.
------------------------------------------------------------------------------

Job <12[3]>, Job Name <arr[3]>, User <u>, Project <default>
Mon Aug  4 12:27:51 2014: Dispatched to <h>;
Mon Aug  4 12:28:51 2014: Completed <exit>; TERM_RUNLIMIT: job killed after reac
                          hing LSF run time limit.
Mon Aug  4 12:28:52 2014: Pending: Job has been requeued
"""


@pytest.mark.parametrize(
    ("text", "job_id"),
    [
        ("Job <12345> is submitted to queue <normal>.\n", "12345"),
        ("Job <12345> is submitted to default queue <normal>.\n", "12345"),
        ("Job is submitted to <proj> project.\nJob <7> is submitted to queue <x>.\n", "7"),
        (NOISY_BSUB, "301828"),
        ("nosuch: No such queue. Job not submitted.\n", None),
        ("", None),
    ],
)
def test_bsub(text: str, job_id: str | None) -> None:
    assert read_submitted(text) == job_id


@pytest.mark.parametrize(("ours", "theirs"), [("123", "123"), ("123_4", "123[4]"), ("9_1000", "9[1000]")])
def test_ids_go_both_ways(ours: str, theirs: str) -> None:
    assert to_lsf(ours) == theirs
    assert from_lsf(theirs) == ours


def test_an_element_is_known_by_either_column() -> None:
    assert from_lsf("123", "4") == from_lsf("123[4]", "4") == from_lsf("123[4]") == "123_4"
    assert from_lsf("123", "0") == from_lsf("123", "-") == from_lsf("123", "") == "123"
    assert from_lsf("123_4") is None


def test_bjobs_amid_noise() -> None:
    text = (
        "LSF is processing your request. Please wait ...\n"
        "123^1^RUN^-^hostA^-\n"
        "this site is down on Sunday ^ read the news ^ of today ^ a ^ b ^ c\n"
        "123[2]^2^EXIT^140^2*hostA:hostB^TERM_RUNLIMIT: job killed after reaching LSF run time limit\n"
        "456^0^DONE^-^hostA:hostA^-\n"
        "457^0^EXIT^^hostA^\n"
        "458^0^NEWSTATE^-^-^-\n"
    )
    rows = read_rows(text, FIELDS[1])
    assert rows == {
        "123_1": JobRow("123_1", "RUN", host="hostA"),
        "123_2": JobRow(
            "123_2", "EXIT", 140, "TERM_RUNLIMIT: job killed after reaching LSF run time limit", "2*hostA:hostB"
        ),
        "456": JobRow("456", "DONE", host="hostA:hostA"),
        "457": JobRow("457", "EXIT", host="hostA"),
    }
    assert rows["123_2"].words == (
        "EXIT, exit code 140, TERM_RUNLIMIT: job killed after reaching LSF run time limit, on 2*hostA:hostB"
    )


def test_why_a_job_waits_is_read_where_lsf_tells_it() -> None:
    text = "7^1^PEND^-^-^Not enough job slots;^-\n7^2^EXIT^3^hostA^-^TERM_OWNER: job killed by owner\n"
    rows = read_rows(text, FIELDS[0])
    assert rows["7_1"] == JobRow("7_1", "PEND", host="", pending="Not enough job slots")
    assert rows["7_2"] == JobRow("7_2", "EXIT", 3, "TERM_OWNER: job killed by owner", "hostA")


def test_an_old_lsf_tells_less() -> None:
    assert read_rows("9^0^EXIT\n", FIELDS[-1]) == {"9": JobRow("9", "EXIT")}


def test_jobs_that_lsf_does_not_have() -> None:
    assert read_not_found("Job <123> is not found\nJob <124[3]> is not found\n") == {"123", "124_3"}
    assert read_not_found("No unfinished job found\n") == frozenset()
    assert says_none("Job <sweep*> is not found")
    assert says_none("No unfinished job found")
    assert not says_none('bjobs: "job_description" is not a valid field name')


def test_names_and_descriptions() -> None:
    text = "5^1^sweep[1]^lr ^ submitit abc\n6^0^sweep^-\n7^2^sweep[1-4]%2^x\n"
    assert read_named(text) == [("5_1", "sweep", "lr ^ submitit abc"), ("6", "sweep", ""), ("7_2", "sweep", "x")]


def test_accounts_are_wrapped_at_column_80() -> None:
    assert read_history(BACCT) == {
        "3224113": JobRow("3224113", "EXIT", None, "TERM_OWNER: job killed by owner", "a3191")
    }


def test_of_a_requeued_job_the_last_run_counts() -> None:
    rows = read_history(BHIST)
    assert rows == {
        "12": JobRow("12", "EXIT", 127, "", "h"),
        "12_2": JobRow("12_2", "DONE", host="h"),
        "12_3": None,  # it waits again
    }


SUBMITTED = "Job <12>, User <u>\nMon Aug  4 12:26:51 2014: Submitted from host <h>, to Queue <normal>;\n"
STARTED = SUBMITTED + "Mon Aug  4 12:27:51 2014: Dispatched 1 Task(s) on Host(s) <hostA>;\n"


@pytest.mark.parametrize(
    ("events", "row", "word"),
    [
        (
            STARTED + "Mon Aug  4 12:28:51 2014: Exited with exit code 3.\n",
            JobRow("12", "EXIT", 3, "", "hostA"),
            "exit",
        ),
        (
            STARTED + "Mon Aug  4 12:28:51 2014: Exited by signal 9. The CPU time used is 0.1 seconds;\n",
            JobRow("12", "EXIT", 137, "", "hostA"),
            "signal",
        ),
        (
            STARTED + "Mon Aug  4 12:28:41 2014: Signal <KILL> requested by user or administrator <u>;\n"
            "Mon Aug  4 12:28:51 2014: Exited by signal 9.\n",
            JobRow("12", "EXIT", 137, "TERM_OWNER: Signal <KILL> requested by user or administrator <u>", "hostA"),
            "cancelled",
        ),
        (SUBMITTED + "Mon Aug  4 12:28:51 2014: Exited.\n", JobRow("12", "EXIT", None, "", ""), "cancelled"),
        (
            STARTED + "Mon Aug  4 12:28:41 2014: Signal <USR2> requested by user or administrator <u>;\n"
            "Mon Aug  4 12:28:51 2014: Exited with exit code 1.\n",
            JobRow("12", "EXIT", 1, "", "hostA"),
            "exit",
        ),
    ],
)
def test_an_exit_that_only_history_shows(events: str, row: JobRow, word: str) -> None:
    assert read_history(events) == {"12": row}
    assert verdict(row) == word


def test_a_job_that_history_shows_as_running_has_not_ended() -> None:
    assert read_history(STARTED) == read_history(SUBMITTED) == {"12": None}


REQUEUE = "Mon Aug  4 12:28:00: Signal <REQUEUE_PEND> requested by user or administr\n                     ator <u>;\n"
AGAIN = "Mon Aug  4 12:28:30: [1] started on 1 Hosts/Processors <hostA>;\nMon Aug  4 12:28:30: Started 1 Task(s);\n"
KILL = "Mon Aug  4 12:28:40: Signal <TERM> requested by user or administrator <u>;\n"


@pytest.mark.parametrize(
    ("events", "is_requeued"),
    [("", False), (REQUEUE, True), (KILL, False), (REQUEUE + AGAIN, False), (REQUEUE + AGAIN + KILL, False)],
)
def test_whether_a_job_is_asked_to_end_to_run_again(events: str, is_requeued: bool) -> None:
    first = "Job <12>, User <u>, Status <RUN>\nMon Aug  4 12:27:51: Started 1 Task(s) on Host(s) <hostA>;\n"
    assert asks_for_requeue(first + events) is is_requeued


def test_no_history_is_none() -> None:
    assert read_history("No matching job found\n") == {}


@pytest.mark.parametrize(
    ("row", "state", "word"),
    [
        (JobRow("1", "EXIT", 130, "TERM_OWNER: job killed by owner"), "CANCELLED", "cancelled"),
        (JobRow("1", "EXIT", None, "TERM_FORCE_ADMIN: x"), "CANCELLED", "cancelled"),
        (JobRow("1", "EXIT", 130), "CANCELLED", "cancelled"),
        (JobRow("1", "EXIT", 140), "TIMEOUT", "timeout"),
        (JobRow("1", "EXIT", 140, "TERM_RUNLIMIT: x"), "TIMEOUT", "timeout"),
        (JobRow("1", "EXIT", 137, "TERM_MEMLIMIT: x"), "OUT_OF_MEMORY", "oom"),
        (JobRow("1", "EXIT", 143, "TERM_LOAD: x"), "FAILED", "preempted"),
        (JobRow("1", "EXIT", 139), "FAILED", "signal"),
        (JobRow("1", "EXIT", 7), "FAILED", "exit"),
        (JobRow("1", "EXIT", 255), "FAILED", "exit"),
        (JobRow("1", "EXIT"), "FAILED", "exit"),
        (JobRow("1", "ZOMBI"), "NODE_FAIL", "node_failure"),
        (JobRow("1", "EXIT", 137, "TERM_ZOMBI: x"), "NODE_FAIL", "node_failure"),
        (JobRow("1", "EXIT", None, "TERM_ZOMBIE: x"), "NODE_FAIL", "node_failure"),
        (JobRow("1", "EXIT", None, "TERM_EXTERNAL_SIGNAL: x", "h"), "FAILED", "signal"),
        (JobRow("1", "EXIT", None, "", ""), "CANCELLED", "cancelled"),  # it never started
        (JobRow("1", "EXIT", None, "", "h"), "FAILED", "exit"),
        (JobRow("1", "EXIT", 193), "FAILED", "exit"),  # no signal has this number
    ],
)
def test_how_a_job_ended(row: JobRow, state: str, word: str) -> None:
    assert submitit_state(row) == state
    assert verdict(row) == word


@pytest.mark.parametrize(
    ("stat", "state"),
    [
        ("PEND", "PENDING"),
        ("PROV", "PENDING"),
        ("WAIT", "PENDING"),
        ("PSUSP", "PENDING"),
        ("RUN", "RUNNING"),
        ("USUSP", "RUNNING"),
        ("SSUSP", "RUNNING"),
        ("UNKWN", "UNKNOWN"),
        ("DONE", "COMPLETED"),
    ],
)
def test_states(stat: str, state: str) -> None:
    assert submitit_state(JobRow("1", stat)) == state


def test_an_exit_that_lsf_takes_back() -> None:
    row = JobRow("1", "EXIT", None, "TERM_REQUEUE_OWNER: job killed and requeued by owner")
    assert wants_requeue(row)
    assert not is_explained(row)
    assert submitit_state(row) == "REQUEUED"


@pytest.mark.parametrize(
    "text",
    [
        "LSF is down. Please wait ...",
        "Cannot connect to LSF. Please wait ...",
        "batch system daemon not responding ... still trying",
        "LSF daemon (LIM) not responding ... still trying",
        "Failed in an LSF library call: Connection refused by server",
        "Request from non-LSF host rejected",
    ],
)
def test_trouble_of_daemons(text: str) -> None:
    assert is_trouble(CommandResult("", text, 255))
    assert not is_trouble(CommandResult("", "nosuch: No such queue. Job not submitted.", 255))


def test_what_belongs_to_another_job_stays_there() -> None:
    outer = {
        "LSB_JOBID": "1", "LSB_JOBINDEX": "2", "LSB_DJOB_NUMPROC": "4", "LS_SUBCWD": "/x", "BSUB_QUIET": "Y",
        "SLURM_JOB_ID": "3", "SUBMITIT_EXECUTOR": "lsf", "SUBMITIT_LSF_NTASKS": "2", "CUDA_VISIBLE_DEVICES": "0",
    }  # fmt: skip
    kept = {"PATH": "/bin", "LSF_ENVDIR": "/etc", "LSB_DEFAULTQUEUE": "q", "SLURM_CONF": "/c", "HOME": "/home/u"}
    assert clean_environment({**outer, **kept}) == kept
    assert clean_environment({"CUDA_VISIBLE_DEVICES": "0"}) == {"CUDA_VISIBLE_DEVICES": "0"}  # the user's own mask
    assert "PATH" in clean_environment(os.environ)


def test_the_process_of_a_job_that_failed_first_in_its_last_run() -> None:
    log = (
        "rank 1 of the job exited with code 1; the others get a while to end\n"
        "epoch 1\n"
        "rank 2 of the job was killed by signal 9; the others get a while to end\n"
    )
    found = LsfCluster({}).failed_rank(log)
    assert found is not None
    assert (found.rank, found.cause, found.reason) == (2, "signal", "rank 2 was killed by signal 9")
    assert LsfCluster({}).failed_rank("so rank 1 of the job exited with code 1; \n") is None
