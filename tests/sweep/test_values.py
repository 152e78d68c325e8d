"""What is swept is what the trial receives, through every launcher."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from conftest import App
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from strategies import same, values

AWKWARD: list[Any] = [
    *[
        "",
        " ",
        "a b",
        "a,b",
        "it's",
        '"',
        "\\",
        "\\'",
        "a=b",
        "{a:1}",
        "[1]",
        "null",
        "True",
        "1e-4",
        "1",
        "nan",
        "é",
        "\n",
    ],
    *[
        "~x",
        "+x",
        "--flag",
        "$HOME",
        "a#b",
        "%s",
        "日本",
        "x" * 300,
        "'",
        "''",
        '\\"',
        "a: b",
        "!tag",
        "&a",
        "*a",
        "@",
        "`",
    ],
    *[None, True, False, 0, -1, 10**20, 1e-4, 1.0, -0.0, 1e300, math.inf, -math.inf, math.nan],
    *[[], [1, 2.5, "a,b", None, [True]], {}, {"a": 1, "b-c": [1, {"d": "e,f"}]}],
]

SHARES = {
    "basic": slice(0, None, 4),
    "herd_local": slice(1, None, 2),
    "joblib": slice(2, None, 8),
    "submitit_local": slice(6, None, 8),
}
"""Which of the values each launcher gets; together they are all."""

BODY = """
    from hyperherd import log_result
    log_result("received", OmegaConf.to_container(cfg)["value"])
"""


def received(app: App, swept: list[Any], *arguments: str) -> list[Any]:
    """Return what the trials of a sweep over `swept` got."""
    config: dict[str, Any] = {"defaults": ["_self_", {"override hydra/sweeper": "herd"}], "value": None}
    config["hydra"] = {"sweeper": {"params": {"value": swept}}}
    app.write(BODY, OmegaConf.to_yaml(OmegaConf.create(config)))
    sweep = app.sweep(*arguments)
    records = sweep.records
    assert len(records) == len(swept)
    return [records[number].final["received"] for number in sorted(records)]


def as_json(value: Any) -> Any:
    """Return `value` as a trial's record keeps it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    return value


@pytest.mark.slow
@pytest.mark.parametrize("launcher", SHARES)
@pytest.mark.slow
def test_awkward_values_arrive_as_they_are(app: App, launcher: str) -> None:
    first, every = {"basic": (0, 4), "herd_local": (1, 2), "joblib": (2, 8), "submitit_local": (6, 8)}[
        launcher
    ]  # Together they are all.
    swept = AWKWARD[first::every]
    got = received(app, swept, f"hydra/launcher={launcher}")
    for sent, arrived in zip(swept, got, strict=True):
        assert same(as_json(sent), arrived), repr(sent)


@settings(
    max_examples=2,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(values, min_size=15, max_size=20, unique_by=repr))
def test_any_values_arrive_as_they_are(app: App, swept: list[Any]) -> None:
    distinct = list({json.dumps(as_json(value), sort_keys=True) + repr(type(value)): value for value in swept}.values())
    for trial in (app.folder / "multirun").glob("*"):
        trial.rename(app.folder / f"old-{id(distinct)}")
    got = received(app, distinct)
    for sent, arrived in zip(distinct, got, strict=True):
        assert same(as_json(sent), arrived), repr(sent)
