from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import App
from results.builder import SweepBuilder
from waiting import PATIENCE

from hyperherd import load
from hyperherd.errors import ResultsError
from hyperherd.overrides import encode
from hyperherd.records.states import TrialState
from hyperherd.results.trials.commands import Command, interpreter, more_seeds, parse_seeds, resume, run_again

LOGGING = """
    from hyperherd import log_result
    log_result("val/acc", float(cfg.lr))
    log_result("width", cfg.width)
    assert cfg.lr != 0.5 or os.path.exists(os.environ["FIXED"]), "not yet"
"""
CONFIG = "lr: 0.1\nmodel: cnn\nwidth: 8\nflag: false\nseed: 0\n"


def typed(line: str, cwd: Path, **environment: str) -> None:
    """Type a line into a shell, with the Python of these tests as ``python``."""
    inherited = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": "/nowhere", **environment}
    done = subprocess.run(
        ["bash", "-c", line], cwd=cwd, env=inherited, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("5..9", [5, 6, 7, 8, 9]), ("5-6", [5, 6]), ("3", [3]), ("1,2,2,5..6", [1, 2, 5, 6]), ("0..0", [0])],
)
def test_lists_of_seeds(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "9..5", "1..", "..3", "1...3", "1.5", "0..99999999"])
def test_what_is_no_list_of_seeds(text: str) -> None:
    with pytest.raises(ResultsError, match=r"is not a list of seeds; use e\.g\. 5\.\.9 or 1,2,5-9"):
        parse_seeds(text)


@pytest.mark.slow
def test_the_command_of_a_trial_gives_it_the_same_values(app: App, tmp_path: Path) -> None:
    """Through a shell and Hydra's parser, whatever is in the values."""
    values: list[Any] = [
        "a b",
        'it\'s "$HOME" `x`;|&',
        "1e-3",
        "ключ",
        "x=1,2",
        "",
        "tab\there \x1b[2J",
        [1, "b,c"],
        {"a": "~"},
    ]
    values += ["back\\slash\\", "${width}", 1e-05, None, True]
    app.write('json.dump(OmegaConf.to_container(cfg), open("saw.json", "w"))', CONFIG + "text: null\n")
    swept = ",".join(encode(value) for value in values)
    sweep = app.sweep(f"text={swept}", "flag=true")
    trials = load(sweep.dir)
    assert len(trials) == len(values)
    lines = []
    for trial in trials:
        command = run_again(trial)
        assert command is not None
        for index, text in enumerate(dict.fromkeys((command.shell(), command.shell(ascii_only=True)))):
            assert text.isprintable()
            place = tmp_path / "again" / f"{trial.number}-{index}"
            place.mkdir(parents=True)
            lines.append(f"{text} hydra.run.dir='{place}' hydra.job.chdir=true")
    typed(" && ".join(f"({line})" for line in lines), tmp_path)
    assert len(lines) > len(trials)  # Some have two commands.
    for trial in trials:
        for place in (tmp_path / "again").glob(f"{trial.number}-*"):
            saw = json.loads((place / "saw.json").read_text())
            assert saw["text"] == trial.params["text"]
            assert type(saw["text"]) is type(trial.params["text"])
            assert saw["flag"] is True


@pytest.mark.slow
def test_resuming_what_failed(app: App, tmp_path: Path) -> None:
    app.write(LOGGING, CONFIG)
    fixed = tmp_path / "fixed"
    objective = "hydra.sweeper.objective={metric: val/acc, direction: maximize}"
    sweep = app.sweep("lr=0.1,0.5", "width=3", objective, code=1, FIXED=str(fixed))
    trials = load(sweep.dir)
    (command,) = resume(trials.failures().trials)
    assert command.cwd == app.folder
    fixed.touch()
    typed(command.shell(), tmp_path, FIXED=str(fixed))
    again = load(sweep.dir)
    assert [(trial.state, trial.attempt) for trial in again] == [(TrialState.COMPLETED, 0), (TrialState.COMPLETED, 1)]
    assert again.objective == trials.objective


@pytest.mark.slow
def test_seeds_are_added_to_the_sweep(app: App, tmp_path: Path) -> None:
    """With parameters, conditions and an objective in the config, which must not get in the way."""
    app.write(
        LOGGING,
        "defaults: [_self_, {override hydra/sweeper: herd}]\n" + CONFIG + "hydra:\n  sweeper:\n"
        "    params: {lr: [0.1, 0.2], model: 'cnn,mlp'}\n"
        "    conditions: [{when: {model: mlp}, replace: {lr: [0.3, 0.4]}}]\n"
        "    objective: {metric: val/acc, direction: maximize}\n",
    )
    sweep = app.sweep("width=3")
    trials = load(sweep.dir)
    assert len(trials) == 4
    best = trials.best()
    command = more_seeds(best, parse_seeds("1..3"))
    typed(command.shell(), tmp_path)
    after = load(sweep.dir)
    assert len(after) == 7
    assert [trial.number for trial in after[4:]] == [4, 5, 6]
    for seed, trial in zip((1, 2, 3), after[4:], strict=True):
        assert trial.params == {**best.params, "seed": seed}
        assert trial.state is TrialState.COMPLETED
        assert trial.final["width"] == 3
    assert after.objective == trials.objective
    typed(more_seeds(best, parse_seeds("4")).shell(), tmp_path)  # once more, after a sweep without params
    assert load(sweep.dir)[-1].params == {**best.params, "seed": 4}


@pytest.mark.slow
def test_the_seed_may_be_searched_already_or_fixed(app: App) -> None:
    app.write(LOGGING, CONFIG)
    searched = load(app.sweep("lr=0.1", "seed=0,1", "model=cnn,mlp", to="multirun/a").dir)[0]
    argv = more_seeds(searched, [5]).argv
    assert [item for item in argv if item.startswith("seed")] == ["seed=choice(5)"]
    assert [item for item in argv if item.startswith(("lr", "model"))] == ["lr=0.1", "model=choice(cnn)"]
    assert argv[-1] == f"hydra.sweep.dir={encode(str(app.folder / 'multirun' / 'a'))}"
    fixed = load(app.sweep("lr=0.1,0.2", "seed=7", to="multirun/b").dir)[0]
    argv = more_seeds(fixed, [5, 6]).argv
    assert [item for item in argv if item.startswith("seed")] == ["seed=5,6"]
    assert "multirun/b_seeds" in argv[-1]


def test_a_seed_that_the_config_lacks_is_added(app: App) -> None:
    app.write("print(cfg.lr)", "lr: 0.1\n")
    trial = load(app.sweep("lr=0.1,0.2").dir)[0]
    assert "+seed=5,6" in more_seeds(trial, [5, 6]).argv
    assert "+run.seed=5,6" in more_seeds(trial, [5, 6], "run.seed").argv


@pytest.mark.slow
def test_a_multirun_that_never_saw_us(plain: Path) -> None:
    trial = load(plain / "multirun")[0]
    command = more_seeds(trial, [1, 2])
    assert command.argv[:2] == ("python", str(plain / "src" / "train.py"))
    assert command.argv[2:6] == ("-m", *trial.overrides)
    assert command.argv[6:] == ("+seed=1,2", f"hydra.sweep.dir={plain}/multirun/s_seeds")
    assert len(resume(load(plain / "multirun"))) == 6


def test_what_cannot_be_told(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({"val/acc": 1.0})
    trial = load(sweep.dir)[0]
    assert interpreter(trial) == sys.executable
    (sweep.dir / ".hyperherd" / "sweep.json").unlink()
    trial = load(sweep.dir)[0]
    assert run_again(trial) is None
    assert resume([trial]) == []
    with pytest.raises(ResultsError, match="did not record its script"):
        more_seeds(trial, [1])


def test_the_python_that_ran_a_trial(app: App) -> None:
    """The recorded one, unless it lies among the results, where a record could have brought it along."""
    (trial,) = load(app.sweep("lr=0.1").dir)
    assert trial.dir is not None
    provenance = trial.dir / ".hyperherd" / "provenance.json"
    for python, expected in ((app.folder / "bin/python", True), (trial.dir / "python", False), ("python", False)):
        if isinstance(python, Path):
            python.parent.mkdir(exist_ok=True)
            python.symlink_to(sys.executable)
        provenance.write_text(json.dumps({"executable": str(python)}))
        assert interpreter(trial) == (str(python) if expected else sys.executable)
    provenance.write_text(json.dumps({"executable": str(app.folder / "bin/python")}))
    provenance.chmod(0o666)
    assert interpreter(trial) == sys.executable


@pytest.mark.slow
def test_orphans_get_commands_of_their_own(app: App, tmp_path: Path) -> None:
    app.write(LOGGING, CONFIG + "text: x\n")
    sweep = app.sweep("lr=0.5,0.1", "text=null,null", code=1, FIXED="/nowhere")
    app.sweep("lr=0.2,0.3", "text=y,y", FIXED="/nowhere")
    (command,) = resume([load(sweep.dir)[0]])
    fixed = tmp_path / "fixed"
    fixed.touch()
    typed(command.shell(), tmp_path, FIXED=str(fixed))
    after = load(sweep.dir)
    assert len(after) == 4
    assert after[0].state is TrialState.COMPLETED


def test_the_shell_is_told_where_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "it's here"
    folder.mkdir()
    command = Command(("python", f"{folder}/a b.py", "x=1"), folder)
    assert command.shell().startswith("cd ")
    assert command.shell().endswith(" && python 'a b.py' x=1")
    monkeypatch.chdir(folder)
    assert command.shell() == "python 'a b.py' x=1"
    assert Command(("python", "/elsewhere/a.py")).shell() == "python /elsewhere/a.py"
    assert Command(("python", "-m", "a'\x1bb\u202e")).shell() == r"python -m $'a\x27\x1bb\xe2\x80\xae'"
    assert Command(("python", "a.py", "\ud800\udcff")).shell().isprintable()
