from __future__ import annotations

import re
from pathlib import Path

import pytest
from results.builder import SweepBuilder, every_state, stats

from hyperherd import load
from hyperherd.records.states import TrialState
from hyperherd.records.trial import TrialError
from hyperherd.results.api import Trials
from hyperherd.results.pages.overview import Screen, notes, render
from hyperherd.results.tables.columns import View
from hyperherd.results.text.format import display_width

EVIL = "\x1b]0;owned\x07\x1b[2J\n\ttab\u202e"


def show(path: Path, screen: Screen | None = None, view: View | None = None) -> list[str]:
    return render(load(path), screen or Screen(), view).splitlines()


def test_the_whole_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    every_state(tmp_path / "s")
    text = re.sub(r"silent for 15m\d\ds", "silent for 15m00s", render(load("s"), Screen(80)))  # on a busy machine
    reason = next(line for line in text.splitlines() if line.startswith("# 12"))
    assert reason.startswith("# 12  lr=0.3 seed=12  s/12/.hyperherd/trial.json is not valid JSON: ")
    before, _, after = text.partition("# 12  lr=0.3 seed=12")
    assert (
        before
        == """\
s · train.py · 13 trials   ✓ 4 completed  ▶ 1 running  ✗ 1 failed  ~ 1 pruned
  ■ 1 cancelled  ○ 1 waiting  → 1 submitted  ! 1 stalled  † 1 lost
  # 1 unreadable
lr (5) × seed (13)
same in all: epochs=50
ranked by val/acc, higher is better (the sweep's objective)

  trial    lr  seed   val/acc  train/loss   step   time
✓     1  0.01     1    0.9871     0.01288      –  1m00s
✓     2  0.1      2    0.95       0.05000      –  1m00s
✓     0  1e-4     0    0.7131     0.2869       –  1m00s
  not ranked
✓     3  1.0      3  nan          –            –  1m00s
✗     4  0.3      4    0.9999     –            –  1m00s
!     5  0.3      5    0.9998     –            –  1m00s
▶     6  0.3      6    0.9997     –        31/50  1m00s
†     7  0.3      7    0.9996     –            –  1m00s
○     8  0.3      8    –          –            –      –
→     9  0.3      9    –          –            –      –
~    10  0.3     10    0.9995     –            –  1m00s
■    11  0.3     11    –          –            –  1m00s
#    12  0.3     12    –          –            –      –

✓ 3  lr=1.0 seed=3  val/acc is nan
✗ 4  lr=0.3 seed=4  ValueError: train/loss is nan
! 5  lr=0.3 seed=5  silent for 15m00s
† 7  lr=0.3 seed=7  job 12_7 left the queue
■ 11  lr=0.3 seed=11  it was interrupted (Ctrl-C, or SIGTERM) while it ran
"""
    )
    assert after.endswith("\n\nbest: trial 1, val/acc 0.9871, in s/1\n  python train.py lr=0.01 seed=1 epochs=50\n")


def test_columns_that_do_not_fit_are_named_and_numbers_never_cut(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    names = [f"metric_number_{index}" for index in range(12)]
    sweep.trial({"val/acc": 0.5, **dict.fromkeys(names, 0.123456)}, params={"lr": 0.1})
    sweep.trial({"val/acc": 0.25, **dict.fromkeys(names, 12345.678)}, params={"lr": 0.25})
    for width in range(30, 240, 7):
        lines = show(sweep.dir, Screen(width))
        table = lines[lines.index("") + 1 :]
        assert max(map(display_width, table[:3])) <= max(width, 22)
        assert table[1].split()[:4] == ["✓", "0", "0.1", "0.5"]
        below = " ".join(" ".join(table[3:]).split())
        dropped = re.findall(r"metric_number_\d+|time", below)
        shown = [*table[0].split(), *dropped]
        every = ["trial", "lr", "val/acc", *sorted(names), "time"]
        counted = re.search(r"\.\.\. (\d+) more \(-a", below)
        assert (shown, len(every) - len(shown)) == (every[: len(shown)], int(counted[1]) if counted else 0)
        assert ("-a shows all" in " ".join(" ".join(table).split())) == bool(dropped)
    assert "-a shows all" not in "\n".join(show(sweep.dir, Screen(40), view=View(everything=True)))


def test_everything_shows_constants_as_columns(tmp_path: Path) -> None:
    lines = show(every_state(tmp_path / "s").dir, view=View(everything=True))
    assert not any(line.startswith("same in all") for line in lines)
    assert lines[lines.index("") + 1].split()[:4] == ["trial", "lr", "seed", "epochs"]


def test_rows_beyond_the_limit_are_counted_and_problems_stay(tmp_path: Path) -> None:
    lines = show(every_state(tmp_path / "s").dir, Screen(rows=2))
    assert "... 11 more (-n 0 shows all)" in lines
    assert "  not ranked" not in lines
    assert any(line.startswith("✗ 4") for line in lines)
    assert any(line.startswith("best: trial 1") for line in lines)


def test_not_applicable_is_not_missing(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({"val/acc": 0.5}, params={"optimizer": "adam", "beta2": 0.9})
    sweep.trial({"val/acc": 0.4, "val/loss": 1.5}, params={"optimizer": "sgd"})
    rows = [line for line in show(sweep.dir) if line.startswith("✓ ")]
    assert rows == [
        "✓     0  adam         0.9      0.5       –    1m00s",
        "✓     1  sgd          ·        0.4       1.5  1m00s",
    ]


def test_a_name_that_is_both_gets_its_prefix(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({"lr": 0.1, "state": 1.0, "val/acc": 1.0}, params={"lr": 0.1, "trial": 5})
    sweep.trial({"lr": 0.2}, params={"lr": 0.2, "trial": 6})
    heading = show(sweep.dir)[4].split()
    assert heading == ["trial", "param.lr", "param.trial", "val/acc", "metric.lr", "metric.state", "time"]


def test_an_aggregate_stands_beside_the_last_value(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({"val/acc": stats(0.5, max=0.75)}, params={"lr": 1})
    text = render(load(sweep.dir).judged_by("val/acc:max"), Screen())
    assert "ranked by val/acc:max, higher is better\n" in text
    assert "  trial  val/acc:max  val/acc   time\n✓     0         0.75      0.5  1m00s\n" in text
    assert "best: trial 0, val/acc:max 0.75" in text


def test_what_it_is_ranked_by_is_always_said(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", None)
    sweep.trial({"val/loss": 0.5})
    trials = load(sweep.dir)
    assert "ranked by val/loss, lower is better (guessed from its name; -m METRIC to change)" in repr(trials)
    assert notes(trials) == ["ranked by val/loss, lower is better (guessed from its name; -m METRIC to change)"]
    assert "ranked by val/loss, higher is better\n" in repr(trials.judged_by("val/loss", "max"))
    sweep = SweepBuilder(tmp_path / "t", None)
    sweep.trial({"speed": 0.5})
    assert "not ranked: no metric's name shows whether higher or lower is better" in repr(load(sweep.dir))
    assert "  not ranked" not in show(sweep.dir)
    assert "best:" not in repr(load(sweep.dir))


def test_metrics_nobody_logged(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.plan(lr=1)
    assert show(sweep.dir)[2] == "not ranked: no trial has logged val/acc, the sweep's objective"
    sweep = SweepBuilder(tmp_path / "t", None)
    sweep.plan(lr=1)
    assert "not ranked: no metric was logged" in show(sweep.dir)


def test_whole_floats_are_shown_as_whole(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({"epochs": 10.0, "mixed": 1.0}, params={"depth": 1.0, "n": 2})
    sweep.trial({"epochs": 5.0, "mixed": 1.5}, params={"depth": 2.0, "n": 3})
    rows = [line.split() for line in show(sweep.dir) if line.startswith("✓ ")]
    assert [row[2:-1] for row in rows] == [["1.0", "2", "–", "10", "1.0"], ["2.0", "3", "–", "5", "1.5"]]


def test_nothing_written_by_others_steers_the_terminal(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / f"s{EVIL[:-2]}".replace("\n", "_"))
    sweep.trial({f"acc{EVIL}": 0.5}, params={f"p{EVIL}": EVIL, "same": EVIL})
    error = TrialError(EVIL, EVIL * 200, EVIL)
    sweep.trial(params={f"p{EVIL}": 1, "same": EVIL}, state=TrialState.FAILED, error=error)
    for text in (render(load(tmp_path), Screen()), render(load(tmp_path).judged_by(f"acc{EVIL}"), Screen(80))):
        assert all(line.isprintable() for line in text.splitlines())
        assert r"\x1b]0;owned\x07" in text


def test_long_reasons_are_shortened_between_words(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.failed(error="Tried to allocate 20.00 GiB\n" * 100)
    text = "\n".join(show(sweep.dir, Screen(80)))
    assert text.count("GiB") == 10
    assert max(map(len, text.splitlines())) <= 80


def test_a_cause_is_told(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    for number, (event, message) in enumerate([("oom", "8 GiB"), ("timeout", None), ("lost", None)]):
        sweep.plan(lr=number)
        sweep.event(number, event, message=message)
    assert show(sweep.dir)[-3:] == ["✗ 0  lr=0  oom: 8 GiB", "✗ 1  lr=1  timeout", "† 2  lr=2  lost"]


def test_colour_only_when_asked(tmp_path: Path) -> None:
    trials = load(every_state(tmp_path / "s").dir)
    coloured = render(trials, Screen(120, colour=True))
    assert "\x1b[31m✗\x1b[0m" in coloured
    bare = re.sub(r"\x1b\[\d+m", "", coloured)
    assert [line.rstrip() for line in bare.splitlines()] == render(trials, Screen(120)).splitlines()


def test_without_unicode(tmp_path: Path) -> None:
    text = render(load(every_state(tmp_path / "s").dir), Screen(unicode=False))
    assert text.isascii()
    assert "+     1  0.01     1" in text


def test_several_sweeps_have_a_column(tmp_path: Path) -> None:
    for day in ("mon", "tue"):
        SweepBuilder(tmp_path / day / "12-00").trial({"val/acc": 0.5}, params={"lr": 1})
    lines = show(tmp_path)
    assert lines[0].startswith("2 sweeps · 2 trials")
    assert [line.split()[1] for line in lines if line.startswith("✓ ")] == ["mon/12-00", "tue/12-00"]


def test_a_broken_sweep_is_named(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({"val/acc": 0.5})
    (sweep.dir / ".hyperherd" / "sweep.json").write_text("{")
    assert any(line.startswith("# sweep s: ") and "sweep.json" in line for line in show(sweep.dir))
    assert any("sweep.json" in note for note in notes(load(sweep.dir)))


def test_trials_of_hydra_alone(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plain)
    lines = show(Path("multirun"))
    assert lines[0] == "s · train.py · 6 trials   ? 6 unknown"
    assert "unknown: Hydra ran these without HyperHerd and does not record whether they finished" in lines
    assert lines[-3] == "  python src/train.py optim.lr=0.0001 model=cnn 'width=$\\{base\\}'"


def test_no_trials() -> None:
    assert render(Trials([]), Screen(80)).startswith("0 sweeps · 0 trials")
