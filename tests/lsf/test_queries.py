"""The contract of LSF's commands, what they refuse and what they tell: with --lsf it is asked of a real LSF."""

from __future__ import annotations

import json

import pytest
from lsf.emulator.site import Site


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-q", "nosuch"], "nosuch: No such queue. Job not submitted."),
        (["-W", "abc"], "abc: Bad RUNLIMIT specification. Job not submitted."),
        (["-R", "rusage[mem"], "Bad resource requirement syntax. Job not submitted."),
        (["-R", "nonsense[mem=1]"], "Bad resource requirement syntax. Job not submitted."),
        (["-R", "rusage[mem=1] rusage[mem=2]"], "Bad resource requirement syntax. Job not submitted."),
        (["-J", "a[1-100000]"], "Job array index too large. Job not submitted."),
        (["-J", "a[0-3]"], "Job not submitted."),
        (["-w", "done(999999)"], "999999: No matching job found. Job not submitted."),
        (["-wa", "USR2", "-wt", "90s", "-W", "5"], "Job not submitted."),
        (["-Z", "1"], "illegal option"),
        (["-n", "none"], "Job not submitted."),
    ],
)
def test_what_cannot_be_read_is_refused(lsf: Site, options: list[str], told: str) -> None:
    done = lsf.run("bsub", *options, stdin="#!/bin/bash\ntrue\n")
    assert done.returncode == 255
    assert told in done.stderr
    assert "is submitted" not in done.stdout


def test_nothing_to_run_is_refused(lsf: Site) -> None:
    done = lsf.run("bsub", stdin="#!/bin/bash\n#BSUB -J empty\n")
    assert (done.returncode, "No command is specified. Job not submitted." in done.stderr) == (255, True)


# Queries


@pytest.mark.needs("bjobs -json")
def test_json_has_every_value_as_text_and_tells_of_what_is_missing(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\nexit 3\n")
    lsf.wait(job)
    done = lsf.run("bjobs", "-json", "-o", "jobid jobindex stat exit_code exit_reason", job, "999999")
    told = json.loads(done.stdout)
    found = {"JOBID": job, "JOBINDEX": "0", "STAT": "EXIT", "EXIT_CODE": "3", "EXIT_REASON": ""}
    assert told["RECORDS"] == [found, {"JOBID": "999999", "ERROR": "Job <999999> is not found"}]
    assert (told["COMMAND"], told["JOBS"]) == ("bjobs", 2)


@pytest.mark.needs("bjobs -json")
def test_json_and_noheader_exclude_each_other(lsf: Site) -> None:
    assert lsf.run("bjobs", "-json", "-noheader", "-o", "jobid").returncode == 255


def test_a_header_names_the_fields(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\ntrue\n", "-H")
    assert lsf.run("bjobs", "-o", "jobid stat delimiter='|'", job).stdout == f"JOBID|STAT\n{job}|PSUSP\n"


def test_a_field_that_does_not_exist_is_refused(lsf: Site) -> None:
    done = lsf.run("bjobs", "-o", "jobid nosuchfield")
    assert (done.returncode, done.stdout) == (255, "")


def test_finished_jobs_are_listed_when_they_are_asked_for(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\ntrue\n", "-J", "finished")
    lsf.wait(job)
    assert job not in lsf.run("bjobs", "-noheader", "-o", "jobid").stdout.split()
    assert job in lsf.run("bjobs", "-a", "-noheader", "-o", "jobid").stdout.split()
    assert lsf.run("bjobs", "-noheader", "-o", "stat", job).stdout == "DONE\n"


@pytest.mark.needs("bhist and bacct")
def test_history_and_accounts_tell_of_the_end(lsf: Site) -> None:
    job = lsf.submit("#!/bin/bash\nexit 3\n")
    lsf.wait(job)

    def told(*words: str) -> str:
        return "".join(line.strip() for line in lsf.run(*words).stdout.splitlines())

    lsf.wait_for(lambda: "Exited with exit code 3" in told("bhist", "-l", "-n", "0", job))
    lsf.wait_for(lambda: "Completed <exit>" in told("bacct", "-l", job))
    assert "No matching job found" in lsf.run("bhist", "-l", "999999").stderr


def test_lsid_names_the_product_and_the_cluster(lsf: Site) -> None:
    lines = lsf.run("lsid").stdout.splitlines()
    assert lines[0].startswith("IBM Spectrum LSF")
    assert any(line.startswith("My cluster name is ") for line in lines)
