from __future__ import annotations

import csv
import io
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cli.test_main import ESCAPE, pipe, terminal
from results.builder import SweepBuilder, every_state, stats, sweep24

from hyperherd import load
from hyperherd.records.states import TrialState
from hyperherd.records.trial import TrialError


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return sweep24(tmp_path / "multirun" / "s").dir


def numbers(*arguments: object, cwd: Path) -> list[int]:
    done = pipe("-f", "csv", "-c", "number", "-s", "number", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return [int(row["number"]) for row in csv.DictReader(io.StringIO(done.stdout))]


def test_paths_and_filters_in_any_order(sweep: Path) -> None:
    root = sweep.parent.parent
    assert numbers("lr=0.1", "model=cnn", cwd=root) == [18, 19, 20]
    assert numbers("multirun", "lr=0.1", "-n", 2, "val/acc>0.94", cwd=root) == [18, 19]
    assert numbers("lr=0.1", sweep, "state=failed", cwd=root) == [19, 20]


def test_a_folder_with_an_operator_in_its_name_is_a_folder(tmp_path: Path) -> None:
    SweepBuilder(tmp_path / "lr=0.1").trial({"val/acc": 0.5})
    assert numbers("lr=0.1", cwd=tmp_path) == [0]
    assert "multirun does not exist" in pipe("lr=0.2", cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["lr=7"], 3, "none of 24 trials matches lr=7"),
        (["learning=7"], 2, "no trial has a parameter, metric or config value 'learning'"),
        (["modle=cnn"], 2, "(did you mean 'model'?)"),
        (["-c", "val/ac"], 2, "(did you mean 'val/acc'?)"),
        (["-s", "val/ac:desc"], 2, "(did you mean 'val/acc'?)"),
        (["-m", "val/acc:mean:0"], 2, "'mean:0' is not an aggregate; use val/acc:last|max|min|mean:K|median:K|@STEP"),
        (["-x", "("], 2, "'(' is not a regular expression"),
        (["--err", "stdev", "--seeds"], 2, "'stdev' is not a measure of spread (did you mean 'std'?)"),
        (["--seed-key", "fold", "--seeds"], 2, "no parameter is called fold; available: lr, model, seed, epochs"),
        (["--pivot", "lr", "lr"], 2, "a pivot needs two different names"),
        (["--pivot", "lr", "mode"], 2, "(did you mean 'model'?)"),
        (["--fail-on", "broken"], 2, "'broken' is not a state"),
        (["--precision", "0"], 2, "'0' must be a whole number from 1 to 17"),
        (["-o", "nowhere/x.csv"], 2, "cannot write nowhere/x.csv"),
    ],
)
def test_errors_are_one_line(sweep: Path, arguments: list[str], code: int, message: str) -> None:
    done = pipe(*arguments, cwd=sweep.parent.parent)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["-o results.csv", "report", "export -o out", "export -f csv -o out"])
def test_nothing_is_left_of_a_file_that_cannot_be_written(sweep: Path, command: str) -> None:
    """The kernel refuses to let a file grow, as on a full disk or beyond a quota."""
    root = sweep.parent.parent
    before = set(root.rglob("*"))
    program = shlex.join([sys.executable, "-m", "hyperherd.cli", *shlex.split(command)])
    full = subprocess.run(
        ["bash", "-c", f"ulimit -f 0; {program}"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert full.returncode != 0
    assert "cannot write" in full.stderr
    assert "File too large" in full.stderr
    assert "Traceback" not in full.stderr
    assert [path for path in set(root.rglob("*")) - before if path.is_file()] == []


def test_a_file_is_never_overwritten_unasked(sweep: Path) -> None:
    root = sweep.parent.parent
    target = root / "results.csv"
    assert pipe("-o", target, cwd=root).stdout == ""
    before = target.read_text()
    assert before.startswith("number,state,lr,model,seed,")
    refused = pipe("-o", target, "-n", 1, cwd=root)
    assert (refused.returncode, target.read_text()) == (2, before)
    assert refused.stderr == f"herd-results: error: {target} already exists; use --force to overwrite it\n"
    assert pipe("-o", target, "-n", 1, "--force", cwd=root).returncode == 0
    assert len(target.read_text().splitlines()) == 2


@pytest.mark.slow
def test_a_file_says_its_format(sweep: Path) -> None:
    root = sweep.parent.parent
    for name, start in (
        *(("a.json", '{\n "schema": 1'), ("a.jsonl", '{"sweep"'), ("a.md", "| rank"), ("a.tex", "% needs")),
        *(("a.txt", "s · train.py"), ("a.tsv", "number\t"), ("a.data", "number\t")),
    ):
        assert pipe("-o", root / name, cwd=root).returncode == 0
        assert (root / name).read_text().startswith(start)
    assert pipe("-o", root / "a.parquet", cwd=root).returncode == 0
    table = pq.read_table(root / "a.parquet")
    assert (table.num_rows, table["seed"].to_pylist()[0]) == (24, 0)
    pipe("-o", root / "b.parquet", "--seeds", cwd=root)
    assert pq.read_table(root / "b.parquet").num_rows == 8


def test_fail_on(sweep: Path, tmp_path: Path) -> None:
    assert pipe(sweep, "--fail-on", "failed,stalled").returncode == 4
    assert pipe(sweep, "--fail-on", "failed", "lr=0.01").returncode == 0
    assert pipe(sweep, "--fail-on", "missing").returncode == 0
    planned = SweepBuilder(tmp_path / "p")
    planned.plan(lr=1)
    assert pipe(planned.dir, "--fail-on", "missing").returncode == 4


def test_colour_is_as_asked(sweep: Path) -> None:
    assert ESCAPE in pipe(sweep, "-f", "table", "--color", "always", NO_COLOR="1").stdout
    assert ESCAPE not in terminal(100, sweep, "--color", "never")
    assert ESCAPE not in pipe(sweep, "-f", "table").stdout


def test_seeds_only_when_one_repeats(tmp_path: Path) -> None:
    alone = SweepBuilder(tmp_path / "s")
    for lr in (1, 2):
        alone.trial({"val/acc": lr / 3}, params={"lr": lr, "seed": 0})
    assert "  trial  lr  val/acc" in pipe(alone.dir, "-f", "table").stdout
    assert "seeds" in pipe(alone.dir, "-f", "table", "--seeds").stdout


def test_the_seed_is_what_is_said(sweep: Path) -> None:
    page = pipe(sweep, "-f", "table", "--seed-key", "seed,model").stdout
    assert "6/6" in page


def test_columns(sweep: Path) -> None:
    done = pipe(sweep, "-c", "trial,val/acc:max,seconds,model", "-n", 1)
    assert done.stdout.splitlines() == ["trial\tval/acc:max\tseconds\tmodel", "12\t0.9962\t372.0\tcnn"]
    shown = pipe(sweep, "-f", "table", "--trials", "-c", "val/acc,state", "-n", 1).stdout
    assert "  trial  val/acc  state\n✓    12   0.9952  completed\n" in shown
    assert "train/loss" not in pipe(sweep, "-x", "^train/").stdout.splitlines()[0]


def test_values_of_the_config(sweep: Path) -> None:
    for number in range(24):
        (sweep / str(number) / ".hydra").mkdir()
        (sweep / str(number) / ".hydra" / "config.yaml").write_text(f"data: {{name: d{number % 2}, size: 1e-3}}\n")
    done = pipe(sweep, "-c", "number,data.name,data.size", "data.name=d1", "-s", "number", "-n", 1)
    assert done.stdout.splitlines()[1] == "1\td1\t0.001"


def test_what_is_missing_comes_last_in_either_order(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    for number, loss in enumerate([0.5, None, float("nan"), 0.25]):
        sweep.trial({"val/acc": 0.5, **({} if loss is None else {"loss": loss})}, params={"n": number})
    for order, expected in (("asc", "3012"), ("desc", "0312")):
        rows = pipe(sweep.dir, "-c", "n", "-s", f"loss:{order}").stdout.splitlines()[1:]
        assert "".join(rows[:2]) == expected[:2]
        assert set(rows[2:]) == set(expected[2:])


def test_two_sweeps_with_different_parameters(tmp_path: Path) -> None:
    for name, params, fixed in (("a", {"lr": 0.1}, "width: 8"), ("b", {"width": 16}, "lr: 0.5")):
        sweep = SweepBuilder(tmp_path / name)
        sweep.trial({"val/acc": 0.5}, params=params)
        (sweep.dir / "0" / ".hydra").mkdir()
        swept = "\n".join(f"{key}: {value}" for key, value in params.items())
        (sweep.dir / "0" / ".hydra" / "config.yaml").write_text(f"{swept}\n{fixed}\n")
    rows = pipe(tmp_path, "-c", "sweep,lr,width", "-s", "sweep").stdout.splitlines()
    assert rows[1:] == ["a\t0.1\t8", "b\t0.5\t16"]


def test_seeds_of_two_sweeps_are_one_configuration(tmp_path: Path) -> None:
    for name, params in (("a", {"lr": 0.1, "seed": 0}), ("b", {"seed": 1})):
        sweep = SweepBuilder(tmp_path / name)
        sweep.trial({"val/acc": 0.5}, params=params)
        (sweep.dir / "0" / ".hydra").mkdir()
        (sweep.dir / "0" / ".hydra" / "config.yaml").write_text(f"lr: 0.1\nseed: {params['seed']}\n")
    trials = load(tmp_path)
    (group,) = trials.seeds()
    assert group.planned == 2
    assert trials.constant == {"lr": 0.1}  # searched in one sweep, from the config in the other: it does not vary


EVIL = "\x1b]0;owned\x07\x1b[2J\u202e<script>|&$\\%_{}"


@pytest.mark.parametrize("form", ["table", "tsv", "csv", "json", "jsonl", "md", "latex"])
@pytest.mark.parametrize("view", ["--trials", "--seeds"])
def test_nothing_in_a_sweep_steers_anything(tmp_path: Path, form: str, view: str) -> None:
    sweep = SweepBuilder(tmp_path / "s", objective=(f"acc{EVIL}", "maximize"))
    for seed in range(2):
        sweep.trial({f"acc{EVIL}": 0.5}, {"text": EVIL}, params={f"p{EVIL}": EVIL + str(seed // 2), "seed": seed})
    error = TrialError(EVIL, EVIL, EVIL)
    sweep.trial(params={f"p{EVIL}": 1, "seed": 0}, state=TrialState.FAILED, error=error)
    done = pipe(sweep.dir, "-f", form, view, "-a")
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    assert all(line.isprintable() for line in text.replace("\t", " ").splitlines())
    assert "owned" in text
    if form == "md":
        assert "<script>" not in text
        assert len({line.replace(r"\|", "").count("|") for line in text.splitlines()}) == 1
    if form == "latex":
        body = text.replace(r"\$", "").replace(r"$\pm$", "").replace(r"$-$", "").replace(r"$\cdot$", "")
        assert "$" not in body


@pytest.mark.slow
def test_every_state_in_every_format(tmp_path: Path) -> None:
    sweep = every_state(tmp_path / "s")
    for form in ("table", "tsv", "csv", "json", "jsonl", "md", "latex"):
        for view in ("--trials", "--seeds"):
            assert pipe(sweep.dir, "-f", form, view).returncode == 0
    record = json.loads(pipe(sweep.dir, "-f", "json", "--seeds").stdout)
    assert record["seed_keys"] == ["seed"]
    assert sum(group["planned"] for group in record["groups"]) == 13


def test_many_problems_are_counted(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    for number in range(40):
        sweep.failed({"val/acc": 0.5}, params={"lr": number})
    page = terminal(100, sweep.dir, NO_COLOR="1")
    assert page.count("ValueError: boom") == 10
    assert "... 30 more (-n 0 shows all)" in page
    assert terminal(100, sweep.dir, "-n", 0).count("ValueError: boom") == 40


def test_a_pivot_says_of_how_many(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({"val/acc": stats(0.5)}, params={"lr": 1, "model": "a", "seed": 0})
    sweep.failed(params={"lr": 1, "model": "a", "seed": 1})
    sweep.trial({"val/acc": stats(0.25)}, params={"lr": 2, "model": "b", "seed": 0})
    page = pipe(sweep.dir, "-f", "table", "--pivot", "lr", "model").stdout
    assert "lr  model=a       model=b\n 1  0.5000 (1/2)  –\n 2  –             0.2500\n" in page
    rows = pipe(sweep.dir, "--pivot", "lr", "model").stdout.splitlines()
    assert rows == ["lr\tmodel=a\tmodel=b", "1\t0.5\t", "2\t\t0.25"]


def test_metrics_that_cannot_be_read_are_missing_with_a_reason(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({"val/acc": 0.5}, params={"lr": 1})
    (sweep.dir / "0" / "metrics.parquet").write_bytes(b"PAR1 half a file")
    done = pipe(sweep.dir, "-m", "val/acc:mean:2", "-c", "trial,val/acc:mean:2")
    assert done.stdout == "trial\tval/acc:mean:2\n0\t\n"
    assert "trial 0: its metrics cannot be read" in done.stderr
    page = pipe(sweep.dir, "-c", "val/acc:mean:2", "-f", "table").stdout
    assert "✓ 0    its metrics cannot be read" in page


@pytest.mark.slow
def test_what_a_trainer_logs_about_the_machine_is_shown_to_who_asks(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", None)
    machine = {"eval_runtime": 3.0, "eval_samples_per_second": 5.0, "total_flos": 7.0, "system/gpu": 1.0}
    sweep.trial({"eval_loss": 0.25, **machine})
    shown = terminal(200, sweep.dir)
    assert "eval_loss" in shown
    assert not [name for name in machine if name in shown]
    assert all(name in terminal(300, "-a", sweep.dir) for name in machine)
    assert "eval_runtime" in terminal(200, "-c", "eval_runtime", sweep.dir)
    assert "total_flos" in terminal(200, "-m", "total_flos", "--direction", "min", sweep.dir)
    assert set(machine) <= set(pipe(sweep.dir, cwd=tmp_path).stdout.split())  # programs get what there is


def test_if_nothing_else_was_logged_it_is_shown(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", None)
    sweep.trial({"train_runtime": 3.0})
    assert "train_runtime" in terminal(200, sweep.dir)
