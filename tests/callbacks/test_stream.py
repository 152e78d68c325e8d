"""What all callbacks do with a row: choose its metrics, keep what can be kept, and name the rest once."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperherd.metrics.arrays import list_arrays, read_array
from hyperherd.metrics.reader import read_metrics
from hyperherd.trial.notes import noted
from hyperherd_callbacks._stream import Stream
from hyperherd_callbacks._training import Outside, facts, note_checkpoint

Kept = dict[str, list[tuple[int, float]]]


class Raises:
    """An object that raises when it is asked what it holds."""

    @property
    def item(self) -> object:
        raise RuntimeError("no")


ODD: dict[str, Any] = {
    "object": object(),
    "array": np.array([0.4, 0.6]),
    "complex": 1j,
    "bytes": b"x",
    "raises": Raises(),
    "digits": 10**5000,
    "set": {1},
    "of objects": np.array([object(), None]),
}
PLAIN: dict[str, Any] = {
    "nested": {"a": [1, math.nan]},
    "text": "x",
    "truth": True,
    "nan": math.nan,
    "scalar": np.float32(0.5),
    "one element": np.array([0.25]),
    "huge": 2**70,
    "none": None,
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_value_costs_itself_alone_and_is_named_once(
    name: str, trial_dir: Path, kept: Callable[[], Kept], caplog: pytest.LogCaptureFixture
) -> None:
    stream = Stream()
    with caplog.at_level(logging.WARNING, "hyperherd"):
        stream.write({"before": 1.0, name: ODD[name], "after": 2.0}, 1)
        stream.write({name: ODD[name], "after": 3.0}, 2)
    assert kept() == {"before": [(1, 1.0)], "after": [(1, 2.0), (2, 3.0)]}
    [record] = caplog.records
    assert repr(name) in record.getMessage()


def test_what_is_plain_is_kept(trial_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "hyperherd"):
        Stream().write(PLAIN, 1)
    assert not caplog.records
    rows = {row["metric"]: row for row in read_metrics(trial_dir).to_pylist()}
    assert set(rows) == set(PLAIN)
    assert (rows["scalar"]["value"], rows["one element"]["value"], rows["huge"]["json"]) == (0.5, 0.25, str(2**70))
    assert (rows["text"]["json"], rows["truth"]["value"]) == ('"x"', 1.0)
    assert math.isnan(rows["nan"]["value"])


def test_arrays_are_kept_if_that_is_asked_for(trial_dir: Path, kept: Callable[[], Kept]) -> None:
    torch = pytest.importorskip("torch")
    logged = {"loss": 0.5, "iou": np.array([0.4, 0.6]), "confusion": torch.ones(2, 2, requires_grad=True)}
    odd = {"half": torch.ones(3, dtype=torch.bfloat16), "of objects": ODD["of objects"], "one": torch.tensor([0.5])}
    Stream(arrays=True).write({**logged, **odd}, 3)
    assert list_arrays(trial_dir) == {"confusion": [3], "half": [3], "iou": [3]}
    assert read_array(trial_dir, "iou", 3).tolist() == [0.4, 0.6]
    assert kept() == {"loss": [(3, 0.5)], "one": [(3, 0.5)]}


@pytest.mark.parametrize(
    ("include", "exclude", "names"),
    [
        (None, (), ["lr", "train/loss", "val/acc", "val/loss"]),
        ("val/*", (), ["val/acc", "val/loss"]),
        (["val/*", "lr"], "*/loss", ["lr", "val/acc"]),
        (None, ["*loss"], ["lr", "val/acc"]),
        ([], (), []),
    ],
)
def test_metrics_are_chosen_by_patterns(
    include: Any, exclude: Any, names: list[str], trial_dir: Path, kept: Callable[[], Kept]
) -> None:
    metrics = {"train/loss": 1.0, "val/loss": 2.0, "val/acc": 3.0, "lr": 4.0}
    Stream(include=include, exclude=exclude).write(metrics, 1)
    assert sorted(kept()) == names


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="needs a direction"):
        Stream(objective="val/acc")
    with pytest.raises(ValueError, match="not 'up'"):
        Stream(objective="val/acc", direction="up")
    with pytest.raises(TypeError, match="must be text"):
        Stream(include=[3])  # type: ignore[list-item]
    assert Stream(objective="val/acc", direction="max").objective == {"metric": "val/acc", "direction": "maximize"}


def test_facts_are_plain_and_without_secrets() -> None:
    found = facts({"lr": 0.1, "api_key": "hunter2", "net": object(), "path": Path("a"), "x": {"y": (1, 2)}})
    assert found == {"lr": 0.1, "api_key": "<masked>", "net": "object", "path": "a", "x": {"y": [1, 2]}}


def test_a_saver_outside_of_the_trial_is_named_once(trial_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    outside = Outside()
    with caplog.at_level(logging.WARNING, "hyperherd"):
        outside.check("inside", trial_dir / "checkpoints", "nothing")
        outside.check("itself", trial_dir, "nothing")
        for _ in range(2):
            outside.check("saver", "out", "dirpath=...")
        outside.check("beside", f"{trial_dir}-2", "dirpath=...")
    messages = [record.getMessage() for record in caplog.records]
    assert [text.split(" ")[0] for text in messages] == ["saver", "beside"]
    assert all(text.endswith("Mend it with: dirpath=...") for text in messages)


def test_the_best_checkpoint_is_noted_relative_to_the_trial(trial_dir: Path) -> None:
    note_checkpoint(trial_dir / "checkpoints" / "a.ckpt", 0.5, "val/acc", "maximize")
    assert noted()["checkpoint"] == {
        "path": "checkpoints/a.ckpt",
        "score": 0.5,
        "metric": "val/acc",
        "direction": "maximize",
    }
    note_checkpoint("/elsewhere/a.ckpt", None, None, None)
    assert noted()["checkpoint"]["path"] == "/elsewhere/a.ckpt"
