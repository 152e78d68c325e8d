"""Whatever is logged, closed, killed, resumed and merged reads back as logged; every summary says what the rows say."""

import math
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.consolidate.roll import make_part
from hyperherd.metrics.reader import read_final, read_metrics, read_summary, skipped
from hyperherd.metrics.rows.sources import LEVELS, list_sources
from hyperherd.metrics.rows.values import EXACT, logged
from hyperherd.metrics.summary.running import RunningSummary
from hyperherd.metrics.writer import MetricWriter
from hyperherd.paths import TrialPaths

OBJECTIVE = {"metric": "loss", "direction": "minimize"}
ROOTS = {"": "", "fit-2": "", "fold0": "fold0", "fold0/validate": "fold0", "evaluate": ""}
"""Phases, and those that they belong to."""


def same(one: object, other: object) -> bool:
    return repr(one) == repr(other)


@dataclass
class Logged:
    """One row, as a list of everything that was logged would have it."""

    metric: str
    step: int
    attempt: int
    order: int
    value: object
    phase: str = ""

    @property
    def series(self) -> tuple[str, str]:
        return self.metric, self.phase

    def key(self) -> tuple:
        return self.metric, self.phase, self.step, self.attempt, self.order


@dataclass
class Trial:
    """A trial and the plainest possible memory of what was logged to it."""

    folder: Path
    writer: MetricWriter = None
    attempt: int = 0
    rows: list[Logged] = field(default_factory=list)
    final: dict = field(default_factory=dict)
    torn: int = 0
    told: dict = field(default_factory=dict)
    phase_now: str = ""

    def __post_init__(self):
        self.writer = MetricWriter(self.folder, 0)

    def log(self, metrics: dict, step: int) -> None:
        self.writer.log(metrics, step)
        order, phase = len(self.rows), self.phase_now
        self.rows += [Logged(name, step, self.attempt, order, value, phase) for name, value in metrics.items()]

    def phase(self, name: str) -> None:
        self.writer.phase = self.phase_now = name

    def log_final(self, values: dict) -> None:
        self.writer.log_final(values)
        self.final.update(values)

    def resumed(self, step: int, metrics: list | None) -> None:
        self.writer.resumed(step, metrics)
        told = self.told.setdefault((self.attempt, self.phase_now), {})
        for name in [None] if metrics is None else metrics:
            told[name] = min(step, told.get(name, step))

    def close(self) -> None:
        self.writer.close()

    def next_attempt(self) -> None:
        self.writer.close()
        self.attempt += 1
        self.writer = MetricWriter(self.folder, self.attempt)
        self.writer.phase = self.phase_now

    def tear(self, text: bytes) -> None:
        """End a journal as a kill in the middle of a write does."""
        self.close()
        journals = list(TrialPaths(self.folder).metrics.glob(f"journal-{self.attempt}-*.jsonl"))
        if journals and journals[-1].read_bytes().endswith(b"\n"):
            with journals[-1].open("ab") as stream:
                stream.write(text)
            self.torn += 1

    def merge(self) -> None:
        self.writer.close()
        merge(self.folder, OBJECTIVE)

    def roll(self) -> None:
        """Make parts of the journals of this attempt that are closed, as the roller does."""
        self.writer.close()
        for name, about in list_sources(TrialPaths(self.folder).metrics).items():
            if about.is_journal and about.attempt == self.attempt:
                make_part(TrialPaths(self.folder).metrics, [name], 0)

    def roll_parts(self) -> None:
        """Make one part of those of the least level of this attempt."""
        parts = [
            (about.level, name)
            for name, about in list_sources(TrialPaths(self.folder).metrics).items()
            if about.attempt == self.attempt and not about.is_journal
        ]
        level = min(parts, default=(LEVELS,))[0]
        if level < LEVELS - 1:
            names = [name for own, name in parts if own == level]
            make_part(TrialPaths(self.folder).metrics, names, level + 1)

    def raw(self) -> list[Logged]:
        return sorted(self.rows, key=Logged.key)

    def first_steps(self) -> dict[int, dict[tuple[str, str], int]]:
        first = {}
        for row in self.rows:
            own = first.setdefault(row.attempt, {})
            own[row.series] = min(own.get(row.series, row.step), row.step)
        return first

    def restarts(self, attempt: int, phase: str) -> bool:
        """Whether an attempt that said nothing of a phase did everything of it again."""
        first = self.first_steps()
        older = [(series, step) for other in first if other < attempt for series, step in first[other].items()]
        common = [(series, step) for series, step in older if series in first.get(attempt, {}) and series[1] == phase]
        again = all(first[attempt][series] <= step for series, step in common)
        return (attempt, phase) not in self.told and bool(common) and again

    def is_superseded(self, row: Logged) -> bool:
        first = self.first_steps()
        for newer in range(row.attempt + 1, self.attempt + 1):
            told = self.told.get((newer, row.phase), {})
            cut = told.get(row.metric, told.get(None, math.inf))
            if any(self.restarts(newer, phase) for phase in {row.phase, ROOTS[row.phase]}):
                return True
            if row.step >= min(cut, first.get(newer, {}).get(row.series, math.inf)):
                return True
        return False

    def standing(self) -> list[Logged]:
        stands = {(*row.series, row.step, row.attempt): row for row in self.raw() if not self.is_superseded(row)}
        return list(stands.values())

    def rank(self, series: tuple[str, str]) -> tuple:
        """What is greatest for the phase of a metric that counts."""
        attempt = max(row.attempt for row in self.rows if row.series == series)
        began = min(row.order for row in self.rows if (row.attempt, row.phase) == (attempt, series[1]))
        return ROOTS[series[1]] == series[1] or series[1] == "fit-2", attempt, began

    def shown(self, rows: list[Logged]) -> list[Logged]:
        """The rows of the phase that counts for each metric."""
        best = {}
        for row in rows:
            if number_of(row.value) is not None:
                best[row.metric] = max(best.get(row.metric, row.series), row.series, key=self.rank)
        return [row for row in rows if best.get(row.metric) == row.series]


def as_column(value: object) -> object:
    """What is told from the columns: small integers come back as floats, everything else as it was."""
    return float(value) if type(value) is int and abs(value) <= EXACT else value


def told(trial: Trial, **options) -> list[tuple]:
    table = read_metrics(trial.folder, **options)
    assert skipped(table) == trial.torn
    names = ("metric", "step", "attempt", "value", "json")
    phases = table["phase"].to_pylist() if "phase" in table.column_names else [None] * len(table)
    assert any(phases) == ("phase" in table.column_names)
    rows = zip(*(table[name].to_pylist() for name in names), phases, strict=True)
    return [
        (metric, phase or "", step, attempt, logged(value, text)) for metric, step, attempt, value, text, phase in rows
    ]


def expected(rows: list[Logged]) -> list[tuple]:
    return [(row.metric, row.phase, row.step, row.attempt, as_column(row.value)) for row in rows]


def number_of(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, bool | int | float) else None
    except OverflowError:
        return None


def stats_of(rows: list[Logged]) -> dict:
    series = defaultdict(list)
    for row in rows:
        if number_of(row.value) is not None:
            series[row.metric].append((row.step, number_of(row.value)))
    stats = {}
    for metric, points in series.items():
        numbers = [(value, step) for step, value in points if not math.isnan(value)]
        low = min(numbers, default=(None, None))
        high = min(numbers, key=lambda item: (-item[0], item[1]), default=(None, None))
        stats[metric] = {
            "count": len(points),
            "last": points[-1][1],
            "last_step": points[-1][0],
            "min": low[0],
            "min_step": low[1],
            "max": high[0],
            "max_step": high[1],
            "nan": len(points) - len(numbers),
        }
    return stats


def of_objective(trial: Trial) -> list[Logged]:
    """The rows that stand, of the objective those of the phase that counts alone."""
    shown = trial.shown(trial.standing())
    return [row for row in trial.standing() if row.metric != "loss" or row in shown]


def check_metrics(trial: Trial, metrics: dict, phases: dict) -> None:
    rows = trial.standing()
    assert same(sorted(metrics.items()), sorted(stats_of(trial.shown(rows)).items()))
    named = {row.phase for row in rows if number_of(row.value) is not None}
    assert set(phases) == (named if any(named) else set())
    for phase, summaries in phases.items():
        expected_ = stats_of([row for row in rows if row.phase == phase])
        assert same(sorted(summaries.items()), sorted(expected_.items()))


def check_objective(objective: dict | None, rows: list[Logged], complete: bool) -> None:
    """Compare an objective with the rows; one that is not complete may lack a metric that passed the best step."""
    stats = stats_of([row for row in rows if row.metric == "loss"])
    if "loss" not in stats:
        assert objective is None
        return
    assert (objective["metric"], objective["direction"]) == ("loss", "minimize")
    assert (objective["best"], objective["best_step"]) == (stats["loss"]["min"], stats["loss"]["min_step"])
    others = {}
    [phase] = {row.phase for row in rows if row.metric == "loss"}
    assert objective.get("phase", "") == phase
    for row in rows:
        value = number_of(row.value)
        if row.metric != "loss" and row.phase == phase and value is not None and objective["best_step"] is not None:
            others |= {row.metric: value} if row.step <= objective["best_step"] else {}
    if not complete:
        others = {name: value for name, value in others.items() if name in objective["at_best"]}
    assert same(sorted(objective["at_best"].items()), sorted(others.items()))
    points = [
        [row.step, number_of(row.value)] for row in rows if row.metric == "loss" and number_of(row.value) is not None
    ]
    assert len(objective["curve"]) <= 32
    assert all(repr(point) in map(repr, points) for point in objective["curve"])
    assert [step for step, _ in objective["curve"]] == sorted(step for step, _ in objective["curve"])
    assert same(objective["curve"][-1], points[-1])
    if len(points) <= 32:
        assert same(objective["curve"], points)


values = st.one_of(
    st.floats(),
    st.integers(-9, 9),
    st.booleans(),
    st.integers(2**52, 2**80),
    st.text(max_size=3),
    st.lists(st.floats(), max_size=2),
    st.none(),
)
names = st.sampled_from(["loss", "acc", "größe/λ 🐑", "with space"])
steps = st.integers(0, 6) | st.sampled_from([-(2**63) + 1, 2**63 - 1])
operations = st.lists(
    st.one_of(
        st.tuples(st.just("log"), st.dictionaries(names, values, max_size=3), steps),
        st.tuples(st.just("log"), st.dictionaries(names, st.floats(-5, 5), min_size=1, max_size=3), steps),
        st.tuples(st.just("log_final"), st.dictionaries(names, values, max_size=2)),
        st.tuples(
            st.just("tear"), st.sampled_from([b'{"ts": 1.5, "st', b'{"ts":1.5,"step":1,"metrics":{"a":1}', b"\x00\n"])
        ),
        st.tuples(st.just("resumed"), steps, st.none() | st.lists(names, min_size=1, max_size=2)),
        st.tuples(st.just("phase"), st.sampled_from(sorted(ROOTS))),
        st.tuples(st.sampled_from(["close", "next_attempt", "merge", "roll", "roll_parts"])),
    ),
    max_size=25,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(operations)
def test_everything_logged_reads_back(operations):
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder) / "it's a trial\n")
        for operation, *arguments in operations:
            getattr(trial, operation)(*arguments)
        trial.close()
        for _ in range(2):  # As it was left, and all merged.
            assert same(told(trial, raw=True), expected(trial.raw()))
            assert same(told(trial), expected(trial.standing()))
            assert same(told(trial, metrics=["acc"]), [row for row in expected(trial.standing()) if row[0] == "acc"])
            final = read_final(trial.folder)
            assert same(sorted(final.items()), sorted(trial.final.items()))
            summary = read_summary(trial.folder, OBJECTIVE)
            check_metrics(trial, summary["metrics"], summary.get("phases", {}))
            assert (summary["rows"], summary["skipped"]) == (len(trial.rows), trial.torn)
            check_objective(summary["objective"], of_objective(trial), complete=True)
            trial.merge()
        assert not list(TrialPaths(trial.folder).metrics.glob("*"))


@st.composite
def training(draw) -> list[tuple]:
    """A few attempts whose steps do not fall, with heartbeats in between, merged at an attempt's end or never."""
    operations = []
    for _ in range(draw(st.integers(1, 3))):
        step = draw(st.integers(0, 5))
        operations.append(("phase", draw(st.sampled_from(["", "", "fit-2", "fold0"]))))
        for _ in range(draw(st.integers(0, 8))):
            step += draw(st.integers(0, 2))
            number = st.floats(-5, 5) | st.sampled_from([math.nan, math.inf, -math.inf])
            operations.append(("log", draw(st.dictionaries(names, number, max_size=3)), step))
            operations += [("refresh",)] * draw(st.integers(0, 1))
            if draw(st.booleans()):
                operations.append(draw(st.sampled_from([("close",), ("roll",)])))
                step += 1  # A step that is logged again after a roll is counted twice until all is merged.
        operations += [("merge",)] * draw(st.integers(0, 1)) + [("next_attempt",)]
    return operations


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(training())
@example(  # the newest attempt makes a phase count again that an attempt between had left
    [
        ("phase", ""),
        ("log", {"loss": 1.0}, 0),
        ("next_attempt",),
        ("phase", "fit-2"),
        ("log", {"loss": 0.0}, 0),
        ("next_attempt",),
        ("phase", ""),
        ("log", {"loss": 0.0}, 1),
    ]
)
def test_the_running_summary_says_what_the_rows_say(operations):
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder))
        running = RunningSummary(trial.folder, OBJECTIVE)
        for operation, *arguments in operations:
            if operation == "refresh":
                running.refresh()
            else:
                getattr(trial, operation)(*arguments)
        for summary in (running, RunningSummary(trial.folder, OBJECTIVE)):
            summary.refresh()
            rows = trial.standing()
            check_metrics(trial, summary.metrics, summary.phases)
            last = max((row.series for row in rows), key=trial.rank, default=("", ""))[1]
            assert summary.step == max((row.step for row in rows if row.phase == last), default=None)
            check_objective(summary.objective, of_objective(trial), complete=False)
