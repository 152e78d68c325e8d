from __future__ import annotations

import json
import re
import resource
from pathlib import Path

import pytest
from conftest import App
from results.builder import SweepBuilder

import hyperherd
from hyperherd import Trials, load
from hyperherd.errors import ResultsError
from hyperherd.results.trials.trial import Trial

BODY = """
    from hyperherd import log_result, log_array
    print("to stdout")
    print("to stderr", file=sys.stderr)
    for step in range(4):
        log_result("val/acc", [0.1, 0.5, float("nan"), 0.4][step] * cfg.lr, step=step)
    log_result("note", "by the trial")
    log_array("confusion", [[1, 2], [3, 4]])
    log_array("weights", [1.0], step=3)
    os.makedirs("ckpt", exist_ok=True)
"""


@pytest.fixture
def ran(app: App) -> Trials:
    app.write(BODY, "lr: 0.1\nwidth: 8\ndouble: ${width}\nhere: ${hydra:runtime.output_dir}\nmodel: {depth: 2}\n")
    return load(app.sweep("lr=1,2", "+hydra.sweeper.note=a sweep", "hydra.job.chdir=true").dir)


@pytest.fixture
def trial(sweep: SweepBuilder) -> Trial:
    sweep.trial({"val/acc": 0.5}, params={"lr": 1})
    return load(sweep.dir)[0]


def test_what_a_trial_that_ran_has(ran: Trials) -> None:
    trial = ran[1]
    assert trial.note == "by the trial"
    assert ran[0].sweep.note == "a sweep"
    assert trial.config["double"] == 8
    assert trial.config["here"] == str(trial.dir)
    assert trial["val/acc"][:2] == [0.2, 1.0]
    assert trial.value("val/acc", "mean:1") == 0.8
    assert trial.value("val/acc", "@1") == 1.0
    assert trial.value("val/acc", "@7") is None
    assert trial.history("val/acc")["step"].to_pylist() == [0, 1, 2, 3]
    assert trial.provenance["hyperherd"] == hyperherd.__version__
    (attempt,) = trial.attempts
    assert attempt.number == 0
    assert "to stdout" in attempt.logs["stdout"].read_text()
    with trial.open_log("stderr") as stream:
        assert "to stderr" in stream.read()
    assert [path.name for path in trial.logs()][:2] == ["attempt-0.out", "attempt-0.err"]
    assert trial.arrays == {"confusion": [None], "weights": [3]}
    assert trial.array("confusion").tolist() == [[1, 2], [3, 4]]
    assert [item.number for item in ran.filter("model.depth=2")] == [0, 1]
    assert not ran.filter("model.depth=3")


def test_what_is_not_there(trial: Trial) -> None:
    assert (trial.config, trial.provenance, trial.note, trial.attempts, trial.logs(), trial.arrays) == (
        *({}, {}, "", [], [], {}),
    )
    with pytest.raises(KeyError, match=r"trial 0 has no metric 'val/ac' \(did you mean 'val/acc'\?\)"):
        trial["val/ac"]
    with pytest.raises(ResultsError, match="has no log 'stderr'; available: stdout, stderr"):
        trial.open_log("stderr")
    with pytest.raises(ResultsError, match="trial 0 has no array 'x' at step 3; it has: none"):
        trial.array("x", 3)


def test_a_trial_without_a_directory(sweep: SweepBuilder) -> None:
    sweep.plan(lr=1)
    trial = load(sweep.dir)[0]
    assert (trial.files(), trial.logs(), trial.config, trial.history().num_rows) == ([], [], {}, 0)


def test_files(trial: Trial) -> None:
    for name in ("a.pt", "deep/er/b.pt", ".hidden/c.pt", "x.txt"):
        trial.path(name).parent.mkdir(parents=True, exist_ok=True)
        trial.path(name).write_text(name)
    assert [path.name for path in trial.files("*.pt")] == ["a.pt", "b.pt"]
    assert [path.name for path in trial.files("deep/*/*")] == ["b.pt"]
    assert [path.name for path in trial.files()] == ["a.pt", "b.pt", "x.txt"]
    assert [path.name for path in trial.files(".hyperherd/*")] == ["trial.json"]


def test_nothing_is_overwritten(trial: Trial, tmp_path: Path) -> None:
    source, folder = tmp_path / "w.pt", tmp_path / "folder"
    source.write_text("new")
    folder.mkdir()
    (folder / "x").write_text("x")
    assert trial.copy_in(source) == trial.path("w.pt")
    trial.path("w.pt").write_text("precious")
    for put in (trial.copy_in, trial.move_in):
        with pytest.raises(ResultsError, match=r"w\.pt already exists and is not overwritten"):
            put(source)
    assert (trial.path("w.pt").read_text(), source.read_text()) == ("precious", "new")
    assert trial.move_in(source, "sub/other.pt").read_text() == "new"
    assert not source.exists()
    assert (trial.copy_in(folder) / "x").read_text() == "x"
    for put in (trial.copy_in, trial.move_in):
        with pytest.raises(ResultsError, match="already exists"):
            put(folder)
    assert (trial.move_in(folder, "elsewhere") / "x").read_text() == "x"
    assert not folder.exists()


def test_half_a_copy_is_not_left(trial: Trial, tmp_path: Path) -> None:
    source = tmp_path / "w.pt"
    source.write_bytes(b"x" * 9)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3, before[1]))  # As on a full disk.
    try:
        for put in (trial.copy_in, trial.move_in):
            with pytest.raises(OSError, match="too large"):
                put(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert source.exists()
    assert trial.files() == []


def test_is_trial(trial: Trial, tmp_path: Path) -> None:
    assert hyperherd.is_trial(trial.path())
    assert not hyperherd.is_trial(trial.path().parent)
    assert not hyperherd.is_trial(tmp_path / "nowhere")


def test_a_value_at_the_best_step(sweep: SweepBuilder) -> None:
    from results.builder import stats

    known = {"metric": "val/acc", "direction": "maximize", "best": 0.9, "best_step": 5, "at_best": {"test/acc": 0.77}}
    metrics = {"val/acc": stats(0.5, max=0.9, max_step=5, min=0.1, min_step=1), "test/acc": stats(0.6, max_step=1)}
    sweep.trial(metrics, {"size": 3}, objective=known)
    (sweep.dir / "0" / "metrics.jsonl").write_text(
        "".join(json.dumps({"step": step, "test/acc": 0.9 if step == 1 else step / 10}) + "\n" for step in range(8))
    )
    trials = load(sweep.dir)

    def values(*names: str) -> list[object]:
        from hyperherd.results.trials.fields import find_field

        return [find_field(trials, name).value(trials[0]) for name in names]

    assert values("test/acc@val/acc:max", "test/acc@val/acc", "size@val/acc") == [0.77, 0.77, 3]
    assert values("test/acc@val/acc:min") == [0.9]  # Its own greatest value stands at that step.
    assert values("test/acc@3", "test/acc:@4", "test/acc:mean:2") == [0.3, 0.4, pytest.approx(0.65)]


def test_a_notebook_gets_inert_html(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc<b>": 0.5}, params={"x<script>alert(1)</script>": "<img src=x onerror=alert(2)>", "seed": 1})
    sweep.failed(error="<svg onload=alert(3)>", params={"seed": 2})
    trials = load(sweep.dir)
    for page in (trials._repr_html_(), trials.seeds()._repr_html_()):
        assert "alert(1)" in page
        assert set(re.findall(r"<(\w+)", page)) <= {"div", "pre", "table", "tr", "th", "td", "b"}


def test_the_page_for_users_runs_as_written(ran: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[3] / "docs" / "results.md").read_text()
    (block,) = (found for found in re.findall(r"```python\n(.*?)```", page, re.S) if "hyperherd.load" in found)
    assert ran[0].dir is not None
    monkeypatch.chdir(ran[0].dir.parent.parent.parent)
    names: dict[str, object] = {}
    exec(block, names)
    assert len(names["frame"]) == 2  # type: ignore[arg-type]
