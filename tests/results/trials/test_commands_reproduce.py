"""The commands that are printed run that trial once, with the same effective config, however its sweep was started."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import App

from hyperherd import Trials, load
from hyperherd.errors import ResultsError
from hyperherd.results.pages.overview import closing
from hyperherd.results.report.findings import command_of
from hyperherd.results.text.layout import Screen
from hyperherd.results.trials.commands import more_seeds, resume, run_again

BODY = """
    from hyperherd import log_result
    log_result("loss", float(cfg.lr))
    with open(os.environ["SAW"], "a") as stream:
        print(json.dumps(OmegaConf.to_container(cfg, resolve=True)), file=stream)
"""
SPACE = "params: {lr: [1, 2]}, seeds: 2"
CONFIG = "defaults: [_self_, {override hydra/sweeper: herd}]\nlr: 0\nseed: 9\ntext: x\n"
MULTIRUN = f"hydra: {{mode: MULTIRUN, sweeper: {{{SPACE}}}}}\n"
WITHOUT_SEEDS = "hydra: {mode: MULTIRUN, sweeper: {params: {lr: [1, 2]}}}\n"  # else the best is a configuration
ODD = "a 'b' \"c\"\nand $HOME `x`; {x}"


@pytest.fixture
def project(app: App) -> App:
    return app.write(BODY, CONFIG)


def _run(command: list[str], app: App, saw: str, cwd: Path) -> list[dict[str, Any]]:
    """Run a command somewhere and return the configs that its trials saw."""
    path = app.folder / saw
    inherited = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": "/nowhere", "SAW": str(path)}
    done = subprocess.run(command, cwd=cwd, env=inherited, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in path.read_text().splitlines()]


def _typed(line: str, app: App, saw: str, cwd: Path) -> list[dict[str, Any]]:
    return _run(["bash", "-c", line], app, saw, cwd)


def _lines(trials: Trials) -> list[str]:
    """The command of the best trial as each page prints it."""
    best = trials.best()
    command = run_again(best)
    assert command is not None
    end = closing(trials, Screen(unicode=True)).splitlines()
    return [command.shell(), command_of(best), end[end.index(next(line for line in end if "best" in line)) + 1].strip()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "config"),
    [
        ([], WITHOUT_SEEDS),
        (["-m"], WITHOUT_SEEDS),
        (["-m", "lr=1,2"], ""),
        (["-m", "lr=1,2", "text=" + '"' + ODD.replace('"', '\\"') + '"'], ""),
    ],
    ids=["mode in the config", "mode and -m", "-m", "line breaks and quotes"],
)
def test_a_script(project: App, tmp_path: Path, arguments: list[str], config: str) -> None:
    project.write(BODY, CONFIG + config)
    command = [sys.executable, "app.py", *arguments, "hydra.sweep.dir=multirun/s"]
    swept = _run(command, project, "swept", project.folder)
    trials = load(project.folder / "multirun" / "s")
    for number, line in enumerate(dict.fromkeys(_lines(trials))):
        assert _typed(line, project, f"again{number}", tmp_path) == swept[:1]
        assert ("hydra.mode=RUN" in line) == bool(config)
    assert [path.name for path in (project.folder / "multirun").iterdir()] == ["s"]
    if "text" in str(arguments):
        assert swept[0]["text"] == ODD


@pytest.mark.slow
def test_a_script_that_takes_arguments_of_its_own(project: App, tmp_path: Path) -> None:
    text = project.script.read_text()
    own = "    del sys.argv[1:4]\n"
    project.script.write_text(text.replace("    main()\n", f"{own}    main()\n"))
    arguments = ["train", "--token", "sesame", "-m", "lr=1,2", "hydra.sweep.dir=multirun/s"]
    swept = _run([sys.executable, "app.py", *arguments], project, "swept", project.folder)
    trials = load(project.folder / "multirun" / "s")
    for number, line in enumerate(dict.fromkeys(_lines(trials))):
        assert _typed(line, project, f"again{number}", tmp_path) == swept[:1]
    assert "sesame" not in (project.folder / "multirun/s/.hyperherd/sweep.json").read_text()
    (again,) = resume(trials)
    assert again.argv[2:5] == ("train", "--token", "<masked>")
    assert _typed(again.shell(), project, "swept", tmp_path) == swept  # it goes on with the sweep, which is done


@pytest.mark.slow
def test_a_module(project: App, tmp_path: Path) -> None:
    package = project.folder / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    project.script.rename(package / "train.py")
    (project.folder / "conf").rename(package / "conf")
    command = [sys.executable, "-m", "package.train", "-m", "lr=1,2", "hydra.sweep.dir=multirun/s"]
    swept = _run(command, project, "swept", project.folder)
    for number, line in enumerate(dict.fromkeys(_lines(load(project.folder / "multirun" / "s")))):
        assert "python -m package.train" in line
        assert _typed(line, project, f"again{number}", tmp_path) == swept[:1]


@pytest.mark.slow
def test_exactly_the_seeds_that_are_asked_for(project: App, tmp_path: Path) -> None:
    project.write(BODY, CONFIG + MULTIRUN)
    _run(
        [sys.executable, "app.py", "hydra.sweep.dir=multirun/s", "hydra.sweeper.only='0-2'"],
        project,
        "swept",
        project.folder,
    )
    best = load(project.folder / "multirun" / "s").best()
    saw = _typed(more_seeds(best, range(5)).shell(), project, "more", tmp_path)
    assert sorted((item["lr"], item["seed"]) for item in saw) == [(1, 2), (1, 3), (1, 4)]


def test_a_script_that_does_not_read_its_command_line(project: App) -> None:
    launch = """
        from hydra.core.global_hydra import GlobalHydra
        from hydra import initialize_config_dir
        with initialize_config_dir(os.path.abspath("conf"), version_base=None):
            GlobalHydra.instance().hydra.multirun("config", main.__wrapped__, ["lr=1,2", "hydra.sweep.dir=multirun/s"])
    """
    text = project.script.read_text().partition("if __name__")[0]
    project.script.write_text(text + "\n".join(line[8:] for line in launch.splitlines()))
    _run([sys.executable, "app.py"], project, "swept", project.folder)
    trials = load(project.folder / "multirun" / "s")
    best = trials.best()
    assert (run_again(best), best.command, resume(trials)) == (None, [], [])
    assert "app.py does not read its command line; call the function" in closing(trials, Screen())
    with pytest.raises(ResultsError, match="does not read its command line; call the function that started the sweep"):
        more_seeds(best, [5])
