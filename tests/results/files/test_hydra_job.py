from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import starting

from hyperherd import load
from hyperherd.errors import FormatError
from hyperherd.records.states import TrialState
from hyperherd.results.files.hydra_job import read_yaml


def test_a_multirun_of_hydra_alone(plain: Path) -> None:
    trials = load(plain / "multirun")
    assert [trial.number for trial in trials] == [0, 1, 2, 3, 4, 5]
    assert {trial.state for trial in trials} == {TrialState.UNKNOWN}
    assert trials.varying == ("optim.lr", "model")
    assert [trial.params["optim.lr"] for trial in trials] == [1e-4, 1e-4, 0.1, 0.1, 0.25, 0.25]
    assert [trial.params["model"] for trial in trials] == ["cnn", "mlp"] * 3
    assert trials.constant == {"width": 3}
    assert [sweep.name for sweep in trials.sweeps] == ["s"]


def test_its_metrics_are_read_from_what_it_logged(plain: Path) -> None:
    best, second, *_ = load(plain / "multirun" / "s").sorted()
    assert best.metrics["val/acc"]["last"] == pytest.approx(1 - 1e-4 - 0.1 / 3)
    assert best.metrics["val/acc"]["count"] == 3
    assert best.value("test/acc") == 0.9
    assert math.isnan(second.value("test/acc"))


def test_its_command_runs_the_trial_again(plain: Path) -> None:
    trial = load(plain / "multirun")[1]
    assert trial.command[:2] == ["python", str(plain / "src" / "train.py")]
    again = plain / "again"
    starting.run([sys.executable, *trial.command[1:], f"hydra.run.dir={again}"], cwd=plain).check_returncode()
    assert load(again)[0].params == trial.params


@pytest.mark.slow
def test_nested_subdirs(silent: Path) -> None:
    trials = load(silent / "multirun" / "deep")
    assert [(trial.number, trial.params["model"]) for trial in trials] == [(0, "cnn"), (1, "mlp")]
    assert load(silent / "multirun" / "deep" / "mlp")[0].sweep.name == "deep"


def test_single_runs_are_known_by_their_folders(silent: Path) -> None:
    trials = load(silent / "outputs")
    assert [trial.number for trial in trials] == [None, None]
    assert [trial.label for trial in trials] == ["12-00-00", "12-00-01"]
    assert trials[0].command == ["python", str(silent / "src" / "train.py"), "log=false", "optim.lr=0.5"]
    assert trials.varying == ("optim.lr",)


def test_values_keep_the_types_hydra_gave_them(silent: Path) -> None:
    notes = [trial.params["note"] for trial in load(silent / "multirun" / "odd")]
    assert notes[:3] == [True, "on", "1e-4"]
    assert math.isnan(notes[3])
    assert notes[4:] == [None, "a b", [1, "x"], {"a": 1}]


def test_interpolations_that_call_resolvers_stay_as_written(silent: Path) -> None:
    assert load(silent / "multirun" / "odd")[0].params["extra"] == "${oc.env:HOME}"


def test_yaml_is_read_as_omegaconf_reads_it(tmp_path: Path) -> None:
    from omegaconf import OmegaConf

    text = (
        "a: 1e-4\nb: 1E5\nc: .5\nd: 1_000\ne: 2021-01-01\nf: 12:30\ng: 0x1f\nh: 010\ni: on\nj: 'on'\nk: ~\nl: -.inf\n"
        "m: '1e-4'\nn: 1.\no: +1e+3\np: '2021-01-01'\nq: [1e1, {x: 1e-1}]\n"
    )
    path = tmp_path / "config.yaml"
    path.write_text(text)
    ours, theirs = read_yaml(path), OmegaConf.to_container(OmegaConf.load(path))
    assert repr(ours) == repr(theirs)


def test_what_omegaconf_writes_comes_back(tmp_path: Path) -> None:
    from omegaconf import OmegaConf

    values = [1e-5, float("inf"), "1e-4", "on", "null", "", None, True, 1, "a: b", "2021-01-01", "é", "\t", "012"]
    path = tmp_path / "config.yaml"
    path.write_text(OmegaConf.to_yaml(OmegaConf.create({"values": values, "path": Path("/a/b")})))
    assert read_yaml(path) == {"values": values, "path": "/a/b"}


@pytest.mark.parametrize(
    "content", [b"a: [1", b"\xff\xfe\x00", b"a: 'b", b"[" * 100_000, b"- " * 100_000, b"? [a]\n: b"]
)
def test_garbage_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(
        FormatError, match=r"config\.yaml (is not valid YAML: |nests lists or maps more than 200)[^\n]*$"
    ):
        read_yaml(path)


def test_tags_do_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: !!python/object/apply:os.system [exit 1]\nb: !mine {c: 1}\nd: !mine e\n")
    assert read_yaml(path) == {"a": ["exit 1"], "b": {"c": 1}, "d": "e"}


def test_hydra_is_never_imported(plain: Path) -> None:
    program = "import sys, hyperherd; hyperherd.load(sys.argv[1])[0].command; print('hydra' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, plain / "multirun"], capture_output=True, text=True, env={**os.environ}
    )
    assert done.stdout == "False\n", done.stderr
