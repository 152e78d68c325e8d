"""Random sweeps: what is read from their index is what is read from their files, byte for byte."""

from __future__ import annotations

import math
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results.builder import SweepBuilder, stats

from hyperherd import Trials, load
from hyperherd.errors import HyperherdError
from hyperherd.paths import SweepPaths
from hyperherd.records.alerts import LEVELS, Alert, open_alerts, write_alert
from hyperherd.records.states import TrialState
from hyperherd.results.files.index.block import Block, blocks_of
from hyperherd.results.files.index.columns import decoded, encoded
from hyperherd.results.files.index.index import Index
from hyperherd.results.loading.indexed_trial import IndexedTrial
from hyperherd.results.pages.overview import render
from hyperherd.results.tables.columns import View
from hyperherd.results.tables.records import to_json, to_text
from hyperherd.results.text.layout import Screen

NUMBERS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(), st.sampled_from([0.0, -0.0, 1, 1.0, True]))
VALUES = st.one_of(NUMBERS, st.none(), st.text(max_size=3), st.lists(st.integers(-9, 9), max_size=2))
"""What a column may have; a text is not one of the three that stand for numbers."""


def same(one: Any, other: Any) -> bool:
    """Return whether values are equal, types, signs of zero and NaN included."""
    return repr(one) == repr(other) and type(one) is type(other)


@given(
    st.one_of(st.lists(NUMBERS, min_size=1), st.lists(VALUES, min_size=1), st.lists(st.text(max_size=1), min_size=1))
)
def test_a_column_is_what_it_was_made_of(values: list[Any]) -> None:
    kind, data = encoded(values)
    found = list(decoded(kind, memoryview(data), len(values)))
    assert all(map(same, found, values))


PARAMS = st.fixed_dictionaries(
    {"lr": st.sampled_from([0.1, 0.01, 1e-5, 1]), "seed": st.integers(0, 3)},
    optional={"model": st.sampled_from(["cnn", "é", ""]), "api_key": st.just("abc"), "sizes": st.just([1, 2.0])},
)
METRICS = st.dictionaries(st.sampled_from(["val/acc", "loss", "n"]), st.floats(), max_size=3)
ENDS = st.one_of(st.floats(-1e9, 1e9), st.sampled_from([math.nan, math.inf]), st.text(max_size=2))
"""A final value of 2**63 and more is not kept: the fast parser does not tell an integer that great from a float."""
FINAL = st.dictionaries(st.sampled_from(["test/acc", "note"]), ENDS, max_size=2)
STATES = st.sampled_from([TrialState.COMPLETED] * 4 + [TrialState.PRUNED] * 2 + [TrialState.FAILED])
REASONS = st.sampled_from(["", "val/acc is below 0.5 at step 10", "é😀"])
RESOURCES = st.dictionaries(
    st.sampled_from(["cpu_s", "peak_memory_gib", "of"]),
    st.one_of(st.floats(-1e9, 1e9), st.none(), st.just({"gpu": [1, 2.5]})),
    max_size=2,
)
ALERTS = st.one_of(*[st.just([])] * 4, st.lists(st.sampled_from(LEVELS), max_size=3))
CONTINUED = st.sampled_from([None, None, None, 3, 4])
"""Until which beat somebody has had a trial run on, if it was; each has ended with its fourth."""
TRIALS = st.lists(
    st.tuples(PARAMS, METRICS, FINAL, STATES, REASONS, RESOURCES, ALERTS, CONTINUED), min_size=3, max_size=5
)


def pages(trials: Trials) -> list[str]:
    """Return what is made of trials, each as text; why not, where that is not possible."""
    ways = [
        to_json,
        lambda trials: to_json(trials, groups=trials.seeds()),
        lambda trials: to_text(trials, "tsv"),
        lambda trials: to_text(trials, "tsv", View(columns=("cpu_time", "peak_memory", "reason"))),
        lambda trials: render(trials, Screen()),
        lambda trials: repr(trials.effects()),
        lambda trials: repr(trials.failures()),
        lambda trials: trials.best().label,
        lambda trials: repr([(trial.resources, trial.alert_counts, trial.alerts) for trial in trials]),
        lambda trials: repr([(trial.state, trial.reason, trial.error) for trial in trials]),
    ]
    found = []
    for way in ways:
        try:
            found.append(way(trials))
        except HyperherdError as error:
            found.append(str(error))
    return found


def raise_alerts(trial_dir: Path, levels: list[str]) -> None:
    """Write an alert of each of these levels."""
    if levels:
        descriptor = open_alerts(trial_dir, "0")
        for place, level in enumerate(levels):
            write_alert(descriptor, Alert(100.0 + place, level, "look", 0))
        os.close(descriptor)


@settings(max_examples=6, deadline=None)
@given(TRIALS)
def test_a_sweep_is_read_from_its_index_as_from_its_files(trials: list[Any]) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        sweep = SweepBuilder(Path(folder) / "s")
        kept = 0
        for params, metrics, final, state, reason, resources, levels, beats in trials:
            told = {name: stats(value) for name, value in metrics.items()}
            counts = {level: levels.count(level) for level in reversed(LEVELS) if level in levels}
            is_pruned = state is TrialState.PRUNED
            about = {"stop_reason": reason if is_pruned else "", "resources": resources, "alerts": counts, "beats": 4}
            number = sweep.trial(told, final, params=params, state=state, **about).number
            raise_alerts(sweep.dir / str(number), levels)
            if beats is not None:
                sweep.event(number, "continued", beats=beats)
            kept += state.done and not levels and not (is_pruned and beats)
        for path in [*sweep.dir.rglob("trial.json"), SweepPaths(sweep.dir).trials]:
            os.utime(path, (1_700_000_000,) * 2)
        from_files = load(sweep.dir)
        expected = pages(from_files)
        assert not any(isinstance(trial, IndexedTrial) for trial in from_files)
        for module in ("loading.load", "files.index.index"):
            patch.setattr(f"hyperherd.results.{module}.SMALLEST", 0)
        for _ in range(2):  # just read, and read from what that left
            found = load(sweep.dir)
            assert pages(found) == expected
            assert sum(isinstance(trial, IndexedTrial) for trial in found) == kept
        entries = [row.entry() for row in Index.read(sweep.dir).rows.values()]
        again = {name: row.entry() for block in blocks_of(entries) for name, row in Block.rows(block).items()}
        assert all(same(again[entry.place], entry) for entry in entries)
