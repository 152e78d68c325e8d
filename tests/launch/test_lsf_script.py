"""The script that bsub gets: its options, as LSF wants them, and its shell, as bash reads it."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hyperherd.launch.lsf.options import LsfParameters
from hyperherd.launch.lsf.script import make_script, report_path

FOLDER = Path("/abs/folder")


def script(size: int | None = None, folder: Path = FOLDER, command: str = "true", **parameters: Any) -> str:
    checked = LsfParameters(**parameters)
    checked.check()
    return make_script(checked, folder, command, size=size, tag="tag", warning="USR2")


def options(*args: Any, **kwargs: Any) -> list[str]:
    """The words after #BSUB, as LSF splits them."""
    lines = script(*args, **kwargs).splitlines()
    return [" ".join(shlex.split(line[6:])) for line in lines if line.startswith("#BSUB ")]


def test_a_whole_script() -> None:
    text = script(
        4,
        job_name="my sweep/1",
        time=60,
        cpus_per_task=4,
        mem_gb=8,
        gpus_per_node=1,
        gpu_mode="exclusive_process",
        gpu_j_exclusive=True,
        queue="normal",
        array_parallelism=2,
        setup=["module load cuda"],
        teardown=["echo bye"],
        env={"A": "it's"},
        command="python -m x",
    )
    assert (
        text
        == """\
#!/bin/bash
#BSUB -J "my_sweep_1[1-4]%2"
#BSUB -Jd "tag"
#BSUB -o "/abs/folder/lsf_%J_%I.out"
#BSUB -W 60
#BSUB -n 4
#BSUB -R "span[hosts=1]"
#BSUB -R "rusage[mem=8192MB]"
#BSUB -gpu "num=1:mode=exclusive_process:j_exclusive=yes"
#BSUB -wa "USR2"
#BSUB -wt 2
#BSUB -Q 99
#BSUB -q "normal"

SUBMITIT_LSF_ID="$LSB_JOBID"
if [ "${LSB_JOBINDEX:-0}" != 0 ]; then SUBMITIT_LSF_ID="${LSB_JOBID}_${LSB_JOBINDEX}"; fi
mkdir -p /abs/folder || exit 1
exec >> /abs/folder/"$SUBMITIT_LSF_ID"_0_log.out 2>> /abs/folder/"$SUBMITIT_LSF_ID"_0_log.err || exit 1
export SUBMITIT_LSF_REQUEUE_MARKER=/abs/folder/"$SUBMITIT_LSF_ID"_requeue
rm -f "$SUBMITIT_LSF_REQUEUE_MARKER"
echo started >> /abs/folder/"$SUBMITIT_LSF_ID"_starts
export SUBMITIT_LSF_RESTARTS=$(($(wc -l < /abs/folder/"$SUBMITIT_LSF_ID"_starts) - 1))
export SUBMITIT_EXECUTOR=lsf SUBMITIT_LSF_REQUEUE=exit_code
trap : USR2; trap 'exit 130' INT; trap 'exit 143' TERM HUP

export A='it'"'"'s'

module load cuda

set +e
trap : USR2 TERM INT HUP
python -m x
submitit_lsf_code=$?
echo bye
if [ -f "$SUBMITIT_LSF_REQUEUE_MARKER" ]; then exit 99; fi
if [ "$submitit_lsf_code" -eq 99 ]; then submitit_lsf_code=1; fi
exit "$submitit_lsf_code"
"""
    )


@pytest.mark.parametrize(
    ("parameters", "line"),
    [
        ({"time": 0.2}, "-W 1"),
        ({"time": 90.5}, "-W 91"),
        ({"mem_gb": 0.5}, "-R rusage[mem=512MB]"),
        ({"mem_gb": 16, "mem_unit": "GB"}, "-R rusage[mem=16]"),
        ({"mem_gb": 1, "mem_unit": "KB"}, "-R rusage[mem=1048576]"),
        ({"mem_gb": 16, "mem_per": "task", "cpus_per_task": 4}, "-R rusage[mem=4096MB]"),
        ({"mem_gb": 16, "mem_per": "host", "cpus_per_task": 4}, "-R rusage[mem=16384MB]"),
        ({"mem_limit": "8GB"}, "-M 8GB"),
        ({"gpus_per_node": 2, "gpu_model": "V100", "gpu_mem": "16G"}, "-gpu num=2:gmodel=V100:gmem=16G"),
        ({"gpu": "-"}, "-gpu -"),
        ({"gpus_per_node": 2, "gpu_syntax": "rusage", "mem_gb": 1}, "-R rusage[mem=1024MB,ngpus_excl_p=2]"),
        ({"tasks_per_node": 2, "cpus_per_task": 3}, "-n 6"),
        ({"rerunnable": True}, "-r"),
        ({"rerunnable": False}, "-rn"),
        ({"exclusive": True}, "-x"),
        ({"requeue_exit_code": 88}, "-Q 88"),
        ({"job_description": "lr=1"}, "-Jd lr=1 tag"),
        ({"additional_parameters": {"U": "rsv"}}, "-U rsv"),
        ({"additional_parameters": {"W": "1:30"}}, "-W 1:30"),
        ({"additional_parameters": {"R": ["a", "b"]}}, "-R b"),
        ({"resreq": ["select[type==\"X86_64\"]"]}, '-R select[type=="X86_64"]'),
        ({"resreq": '"rusage[mem=8000, ngpus_excl_p=1]"'}, "-R rusage[mem=8000, ngpus_excl_p=1]"),
        ({"resreq": ["'select[x86]'"], "queue": '"gpu"'}, "-R select[x86]"),
        ({"dependency": "done(1) && ended(\"n[*]\")"}, '-w done(1) && ended("n[*]")'),
    ],
)  # fmt: skip
def test_options(parameters: dict[str, Any], line: str) -> None:
    assert line in options(**parameters)


@pytest.mark.parametrize(
    ("parameters", "option"),
    [
        ({"time": None}, "-W"),
        ({"time": 0}, "-W"),
        ({"time": 2}, "-wt"),
        ({"time": 60, "signal_delay_min": 0}, "-wa"),
        ({}, "-R"),
        ({"gpus_per_node": 0}, "-gpu"),
        ({"gpus_per_node": 1, "gpu_syntax": "rusage"}, "-gpu"),
        ({"requeue": "brequeue"}, "-Q"),
        ({"requeue": "none"}, "-Q"),
        ({"gpus_per_node": 1, "additional_parameters": {"gpu": False}}, "-gpu"),
        ({"cpus_per_task": 2, "resreq": "span[ptile=2]"}, "-R span[hosts=1]"),
    ],
)
def test_options_that_are_not_there(parameters: dict[str, Any], option: str) -> None:
    assert not [line for line in options(**parameters) if line.startswith(option)]


@pytest.mark.parametrize(
    ("size", "parallel", "name"),
    [(3, 256, "j[1-3]%3"), (300, 256, "j[1-300]%256"), (3, 0, "j[1-3]"), (3, None, "j[1-3]"), (None, 5, "j")],
)
def test_arrays_begin_at_1(size: int | None, parallel: int | None, name: str) -> None:
    assert options(size, job_name="j", array_parallelism=parallel)[0] == f"-J {name}"


def test_memory_is_for_each_task_where_the_cluster_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSF_ENVDIR", str(tmp_path))
    (tmp_path / "lsf.conf").write_text("# x\nRESOURCE_RESERVE_PER_TASK=Y\n")
    assert "-R rusage[mem=4096MB]" in options(mem_gb=16, cpus_per_task=4)
    (tmp_path / "lsf.conf").write_text("#RESOURCE_RESERVE_PER_TASK=Y\n")
    assert "-R rusage[mem=16384MB]" in options(mem_gb=16, cpus_per_task=4)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"nodes": 2}, "nodes: 2 is more than 1.*not supported"),
        ({"mem_per": "core"}, "mem_per: 'core' is not one of auto, host, task"),
        ({"requeue": "yes"}, "requeue: 'yes' is not one of"),
        ({"requeue_exit_code": 0}, "requeue_exit_code: 0 is not a number from 1 to 125"),
        ({"cpus_per_task": 0}, "cpus_per_task: 0 is not a number from 1 up"),
        ({"additional_parameters": {"J": "x"}}, "-J cannot be set there; use job_name"),
        ({"additional_parameters": {"Is": True}}, "-Is cannot be set there"),
        ({"env": {"A-B": "1"}}, "env: 'A-B' is not a valid name"),
        ({"resreq": ["a'b\"c"]}, "both kinds of quotes"),
        ({"queue": "a\nb"}, "a line break"),
        (
            {"mem_gb": 2, "resreq": "rusage[mem=8000]"},
            r"mem_gb: memory is reserved more than once: rusage\[mem=8000\] ",
        ),
        (
            {"resreq": "rusage[mem=1]", "additional_parameters": {"R": "rusage[ngpus_excl_p=1, mem=2]"}},
            "more than once",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        script(**parameters)


@pytest.mark.parametrize(
    "name", ["plain", "it's a $(touch oops) folder", 'quo"te', "per%cent", "back\\slash", "new\nline"]
)
def test_any_folder_will_do(tmp_path: Path, name: str) -> None:
    """The shell part of a script, run by bash as LSF would run it."""
    folder = tmp_path / name / "%j"
    text = script(None, folder, command="echo out; echo err >&2; (exit 7)", setup=["set -e", "cd /"])
    environment = {"LSB_JOBID": "12", "LSB_JOBINDEX": "3", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash"], input=text, text=True, env=environment, cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")
    assert (tmp_path / name / "12_3" / "12_3_0_log.out").read_text() == "out\n"
    assert (tmp_path / name / "12_3" / "12_3_0_log.err").read_text() == "err\n"
    assert not (tmp_path / "oops").exists()


def test_codes_to_requeue_for_are_sent_only_where_a_job_may_come_back() -> None:
    parameters = LsfParameters()
    for requeues in (False, True):
        text = make_script(parameters, FOLDER, "true", size=None, tag="t", warning="USR2", requeues=requeues)
        assert ("#BSUB -Q 99\n" in text) is requeues


def test_where_lsf_cannot_name_its_report_there_is_none(tmp_path: Path) -> None:
    assert "-o /dev/null" in options(folder=Path("/a/100%/b"))
    assert "-o /dev/null" in options(folder=Path('/a/"b"/c'))
    assert "-o /dev/null" in options(lsf_report=False)
    assert "-o /a/it's/lsf_%J_%I.out" in options(folder=Path("/a/it's/%j"))
    assert report_path(Path("/a/%j"), "12_3") == Path("/a/lsf_12_3.out")
    assert report_path(Path("/a/%j"), "12") == Path("/a/lsf_12_0.out")


@pytest.mark.parametrize(("code", "told"), [(0, 0), (1, 1), (99, 1), (255, 255)])
def test_nobody_requeues_by_accident(tmp_path: Path, code: int, told: int) -> None:
    text = script(None, tmp_path, command=f"(exit {code})", teardown=["false"])
    done = subprocess.run(["bash"], input=text, text=True, env={"LSB_JOBID": "1", "PATH": "/usr/bin:/bin"})
    assert done.returncode == told


def test_the_marker_requeues_and_is_forgotten(tmp_path: Path) -> None:
    text = script(
        None, tmp_path, command='test ! -e "$SUBMITIT_LSF_REQUEUE_MARKER" && : > "$SUBMITIT_LSF_REQUEUE_MARKER"'
    )
    for _ in range(2):  # the second run does not find the first one's marker
        done = subprocess.run(["bash"], input=text, text=True, env={"LSB_JOBID": "1", "PATH": "/usr/bin:/bin"})
        assert done.returncode == 99


def test_stderr_goes_where_it_is_sent(tmp_path: Path) -> None:
    text = script(None, tmp_path, command="echo out; echo err >&2", stderr_to_stdout=True)
    subprocess.run(["bash"], input=text, text=True, env={"LSB_JOBID": "1", "PATH": "/usr/bin:/bin"}, check=True)
    assert (tmp_path / "1_0_log.out").read_text() == "out\nerr\n"
    assert not (tmp_path / "1_0_log.err").exists()
