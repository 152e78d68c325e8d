"""GPU-hours say what records know, and what they do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.results.pages.overview import closing, render
from hyperherd.results.report.gather import gather
from hyperherd.results.statistics.gpu_hours import gpu_hours
from hyperherd.results.text.layout import Screen


@pytest.mark.parametrize(
    ("gpus", "attempts", "told"),
    [
        ((4.0, 0.5), (0, 0), "GPU-hours: 4.5"),
        ((4.0, 0.0), (0, 0), "GPU-hours: 4"),
        (
            (4.0, None),
            (1, 0),
            "GPU-hours: 4 (of 1 trial; of 1 more the number of GPUs is not known; without earlier attempts of 1 trial)",
        ),
        ((None, None), (0, 0), None),
        ((0.0, 0.0), (0, 0), None),
    ],
)
def test_the_sweep_says_what_is_known(
    tmp_path: Path, gpus: tuple[float | None, ...], attempts: tuple[int, ...], told: str | None
) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    for count, attempt in zip(gpus, attempts, strict=True):
        sweep.trial({"val/acc": 0.5}, params={"lr": attempt}, gpus=count, attempt=attempt, started=0.0, ended=3600.0)
    sweep.plan(lr=7)
    trials = load(sweep.dir)
    assert (None if (found := gpu_hours(trials)) is None else str(found)) == told
    pages = [closing(trials, Screen()), render(trials, Screen())]
    assert [told or "GPU-hours" in page for page in pages] == [told or False] * 2
    assert gather(trials, "")[0]["gpu_hours"] == told
