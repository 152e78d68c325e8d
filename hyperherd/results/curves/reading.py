"""The curves of single trials, as their rows have them: of the phase that counts, or of one that is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hyperherd.errors import FormatError
from hyperherd.garbage import not_collected
from hyperherd.results.curves.mean import MetricCurve
from hyperherd.results.files.metric_rows import read_rows, rows_of_phase
from hyperherd.results.trials.metric_names import phase_notes
from hyperherd.results.trials.trial import Trial

if TYPE_CHECKING:
    import pyarrow as pa


def read_curves(
    trials: Iterable[Trial], names: Sequence[str], x: str = "step"
) -> tuple[dict[tuple[Trial, str], MetricCurve], list[str]]:
    """Return the curve of each trial and metric that has one, and a note for each trial that cannot be read."""
    with not_collected():
        return _read_curves(trials, names, x)


def _read_curves(
    trials: Iterable[Trial], names: Sequence[str], x: str
) -> tuple[dict[tuple[Trial, str], MetricCurve], list[str]]:
    from hyperherd.metrics.store.many_trials import read_many  # imports pyarrow

    curves: dict[tuple[Trial, str], MetricCurve] = {}
    notes = []
    read = []
    with_some = [trial for trial in trials if trial.dir is not None and any(trial.summary(name) for name in names)]
    dirs = [_dir_of_many(trial, names, x) for trial in with_some]
    for places, rows in read_many(dirs, names, shown=True, timed=x == "time"):
        several = with_some[places.start : places.stop]
        if rows is not None:
            curves.update(_of_many(several, rows, names, x))
            read += several
            continue
        for trial in several:
            try:
                curves.update({(trial, name): curve for name, curve in _read(trial, names, x).items()})
                read.append(trial)
            except (OSError, FormatError) as error:
                notes.append(f"trial {trial.label}: curves left out: {error}")
    return curves, notes + phase_notes(read, names)


def _dir_of_many(trial: Trial, names: Sequence[str], x: str) -> Path | None:
    """Return where a trial is that may be read with others; None if it takes more than rows of these metrics."""
    return None if x == "epoch" or any(trial.asked_phase(name) for name in names) else trial.dir


def _of_many(
    trials: Sequence[Trial], rows: pa.Table, names: Sequence[str], x: str
) -> Iterator[tuple[tuple[Trial, str], MetricCurve]]:
    """Yield the curves of several trials, in the order of the trials and of the names."""
    import pyarrow.compute as pc

    from hyperherd.metrics.store.arrow import plain_list

    found: list[dict[str, MetricCurve]] = [{} for _ in trials]
    for name in names:
        own = rows.filter(pc.and_(pc.equal(rows["metric"], name), pc.is_valid(rows["value"])))
        steps, values = ([], []) if x == "time" else (plain_list(own["step"]), plain_list(own["value"]))
        start = 0
        for run in pc.value_counts(own["place"]).to_pylist():  # of one trial after the other
            end = start + run["counts"]
            if name in trials[run["values"]].metric_names:
                # Of all trials lists are made once, and cut: a table of each trial takes longer.
                if x == "time":
                    curve = _over_time(own.slice(start, end - start))
                else:
                    curve = MetricCurve(steps[start:end], values[start:end])
                found[run["values"]].update({name: curve} if curve.xs else {})
            start = end
    for trial, curves in zip(trials, found, strict=True):
        yield from (((trial, name), curve) for name, curve in curves.items())


def _read(trial: Trial, names: Sequence[str], x: str) -> dict[str, MetricCurve]:
    found = {}
    epochs = epochs_of(trial) if x == "epoch" else {}
    for name, rows in numeric_rows(trial, names).items():
        curve = _curve(rows, x)
        if x == "epoch":
            phase = rows["phase"][0].as_py() if "phase" in rows.column_names and curve.xs else None
            curve = _by_epoch(curve, epochs, phase)
        if curve.xs:
            found[name] = curve
    return found


def _curve(rows: pa.Table, x: str) -> MetricCurve:
    """Return the rows of one metric of one trial as a curve over steps, or over seconds since the first one."""
    from hyperherd.metrics.store.arrow import plain_list  # imports pyarrow

    return _over_time(rows) if x == "time" else MetricCurve(plain_list(rows["step"]), plain_list(rows["value"]))


def _over_time(rows: pa.Table) -> MetricCurve:
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = rows.filter(pc.is_valid(rows["time"])).sort_by("time")
    micros = pc.cast(rows["time"], pa.int64()).to_pylist()
    return MetricCurve([(moment - micros[0]) / 1e6 for moment in micros], rows["value"].to_pylist())


def epochs_of(trial: Trial) -> dict[tuple[str | None, int], float]:
    """Return the epoch of each phase and step of a trial that has logged it."""
    rows = read_rows(trial.dir, ["epoch"])
    phases = rows["phase"].to_pylist() if "phase" in rows.column_names else [None] * len(rows)
    return dict(zip(zip(phases, rows["step"].to_pylist(), strict=True), rows["value"].to_pylist(), strict=True))


def _by_epoch(curve: MetricCurve, epochs: Mapping[tuple[str | None, int], float], phase: str | None) -> MetricCurve:
    """Return a curve over epochs; values without an epoch are left out."""
    places = epoch_places([int(x) for x in curve.xs], epochs, phase)
    points = [(x, y) for x, y in zip(places, curve.ys, strict=True) if x is not None]
    return MetricCurve([x for x, _ in points], [y for _, y in points])


def epoch_places(
    steps: Sequence[int], epochs: Mapping[tuple[str | None, int], float], phase: str | None
) -> list[float | None]:
    """Return where steps lie in epochs: several values of one epoch evenly in it, and None without an epoch."""
    found = [epochs.get((phase, step)) for step in steps]
    counts = Counter(found)
    seen: Counter[float | None] = Counter()
    places = []
    for epoch in found:
        places.append(None if epoch is None else epoch + seen[epoch] / counts[epoch])
        seen[epoch] += 1
    return places


def numeric_rows(trial: Trial, names: Sequence[str]) -> dict[str, pa.Table]:
    """Return the rows of some metrics that are numbers; of metrics that a trial has not logged there are none.

    Args:
        trial: what is read.
        names: each a ``METRIC``, of which the phase that counts is read, or a ``METRIC:PHASE``.
    """
    import pyarrow.compute as pc

    plain = [name for name in names if name in trial.metric_names]
    phased = {name: trial.asked_phase(name) for name in names if name not in plain}
    found: dict[str, pa.Table] = {}
    if plain:
        table = read_rows(trial.dir, plain, shown=True)
        found = {name: table.filter(pc.equal(table["metric"], name)) if len(plain) > 1 else table for name in plain}
    for name, asked in phased.items():
        if asked is not None:
            found[name] = rows_of_phase(read_rows(trial.dir, [asked[0]]), asked[1])
    return {name: rows.filter(pc.is_valid(rows["value"])) for name, rows in found.items()}
