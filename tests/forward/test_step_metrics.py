"""The one call of EvSys: its signature, its tolerance, and what it did not do: each row once, and a report."""

from __future__ import annotations

import inspect
import json
import logging
import math
from pathlib import Path

import pytest
from forward.sweeps import Rows

from hyperherd.forward import forward_step_metrics

NESTED = '{"ts": 1700000000.0, "step": 50, "metrics": {"loss": 0.42, "lr": 1e-4}}\n'
FLAT = '{"step": 51, "epoch": 0, "train_mean_nll": 0.4, "time/step": 18.1, "note": "text"}\n'


def write(folder: Path, *lines: str, name: str = "metrics.jsonl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / name, "a") as stream:
        stream.writelines(lines)
    return folder


def test_the_signature_is_that_of_the_seed() -> None:
    signature = inspect.signature(forward_step_metrics)
    assert list(signature.parameters) == ["store", "run_id", "run_dir", "metrics_file"]
    assert signature.parameters["metrics_file"].kind is inspect.Parameter.KEYWORD_ONLY
    assert signature.parameters["metrics_file"].default == "metrics.jsonl"
    assert signature.return_annotation == "int"


def test_both_forms_are_sent_as_numbers(tmp_path: Path) -> None:
    store = Rows()
    assert forward_step_metrics(store, "r", write(tmp_path, NESTED, FLAT)) == 2
    assert store.rows == [
        ("r", 50, {"loss": 0.42, "lr": 1e-4}),
        ("r", 51, {"epoch": 0.0, "train_mean_nll": 0.4, "time/step": 18.1}),
    ]
    assert all(type(value) is float for _, _, metrics in store.rows for value in metrics.values())


def test_the_logs_folder_is_preferred_and_the_name_can_be_another(tmp_path: Path) -> None:
    write(tmp_path, NESTED)
    write(tmp_path / "logs", FLAT)
    write(tmp_path, NESTED, NESTED.replace("50", "60"), name="other.jsonl")
    store = Rows()
    assert forward_step_metrics(store, "r", str(tmp_path)) == 1
    assert store.rows[0][1] == 51
    assert forward_step_metrics(store, "r", tmp_path, metrics_file="other.jsonl") == 2


def test_nothing_is_0(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", NESTED)
    store = Rows()
    assert forward_step_metrics(None, "r", folder) == 0
    assert forward_step_metrics(store, None, folder) == 0
    assert forward_step_metrics(store, "r", None) == 0
    assert forward_step_metrics(store, "r", tmp_path / "missing") == 0
    assert forward_step_metrics(store, "r", tmp_path) == 0
    assert forward_step_metrics(store, "r", folder, metrics_file="missing.jsonl") == 0
    assert store.calls == 0


def test_what_is_not_a_row_is_skipped_and_counted(tmp_path: Path) -> None:
    lines = ["{torn\n", "[1]\n", '{"loss": 1.0}\n', '{"step": 1, "metrics": {}}\n', '{"step": 2, "note": "x"}\n', "\n"]
    infinite = '{"step": 3, "metrics": {"loss": NaN, "text": "x"}}\n'
    store = Rows()
    sent = forward_step_metrics(store, "r", write(tmp_path, *lines, infinite, NESTED.rstrip()))
    assert (sent, sent.skipped, sent.failed) == (2, 5, 0)
    assert math.isnan(store.rows[0][2]["loss"])
    assert list(store.rows[0][2]) == ["loss"]


def test_a_failing_row_costs_no_other_and_is_offered_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write(tmp_path, *(json.dumps({"step": step, "loss": float(step)}) + "\n" for step in range(5)))
    store = Rows(fail=lambda step: step in (1, 3))
    with caplog.at_level(logging.WARNING, "hyperherd"):
        sent = forward_step_metrics(store, "r", folder)
    assert (sent, sent.failed) == (3, 2)
    assert store.calls == 5
    assert "no answer at step 1" in caplog.text
    store.fail = lambda step: False
    again = forward_step_metrics(store, "r", folder)
    assert (again, again.already, again.failed) == (2, 3, 0)
    assert sorted(step for _, step, _ in store.rows) == [0, 1, 2, 3, 4]


def test_each_row_is_sent_once_over_all_calls_and_new_ones_when_they_come(tmp_path: Path) -> None:
    store = Rows()
    assert forward_step_metrics(store, "r", write(tmp_path, NESTED)) == 1
    assert forward_step_metrics(Rows(), "r", tmp_path) == 0  # as a later process would
    assert forward_step_metrics(store, "r", write(tmp_path, FLAT)) == 1
    assert forward_step_metrics(Rows(), "another", tmp_path) == 2
    other = Rows()
    other.identity = "another server"
    assert forward_step_metrics(other, "r", tmp_path) == 2


def test_where_nothing_can_be_noted_it_is_sent_even_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path, NESTED)
    monkeypatch.setattr("hyperherd.forward.step_metrics.is_own", lambda path: False)
    assert [forward_step_metrics(Rows(), "r", folder) for _ in range(2)] == [1, 1]
    assert [path.name for path in folder.iterdir()] == ["metrics.jsonl"]
