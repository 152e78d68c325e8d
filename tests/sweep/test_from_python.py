"""A sweep from Python: what ``-m`` runs, with its trials as the value."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from conftest import App

SCRIPT = """
    import json, sys
    import hyperherd
    import app
    {body}
"""


def in_python(app: App, body: str) -> Any:
    """Run `body` in a Python that has imported the app, as a notebook would, and return what it puts into `told`."""
    written = textwrap.dedent(SCRIPT).format(body=body) + "\nprint('TOLD', json.dumps(told))\n"
    done = subprocess.run([sys.executable, "-c", written], cwd=app.folder, text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("TOLD")]
    return json.loads(line.removeprefix("TOLD"))


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "herd_local"])
def test_it_runs_what_the_command_runs(app: App, launcher: str) -> None:
    app.write(
        "import hyperherd\nassert cfg.lr < 3, 'too large'\nhyperherd.log_result('loss', cfg.lr)\nprint('GOT', cfg.lr)",
        "lr: 1\nseed: 0\nhydra: {sweep: {dir: '${hydra:runtime.cwd}/${hydra:job.name}'}}\n",
    )
    told = in_python(
        app,
        f"trials = hyperherd.run_sweep(app.main, ['lr=1,2,3', 'hydra/launcher={launcher}'])\n"
        "before = sys.argv[:]\n"
        "told = [[t.params['lr'], str(t.state), t.final.get('loss')] for t in trials], sys.argv == before",
    )
    assert told == [[[1, "completed", 1], [2, "completed", 2], [3, "failed", None]], True]
    record = json.loads((app.folder / "app/.hyperherd/sweep.json").read_text())
    assert (record["command"], record["no_command"]) == (["python", str(app.script)], None)
    again = app.run("-m", "hydra/sweeper=herd", "lr=1,2,3")  # the command goes on with it
    assert "3 trials, 1 to run" in again.stdout


def test_a_function_of_the_notebook_needs_the_folder_of_its_configs(app: App) -> None:
    body = (
        "def main(cfg):\n    hyperherd.log_result('loss', cfg.lr)\n"
        "trials = hyperherd.run_sweep(main, ['lr=1,2', 'hydra.sweep.dir=s'], config_dir='conf')\n"
        "try:\n    hyperherd.run_sweep(main, ['lr=1,2'])\n"
        "except hyperherd.HyperherdError as error:\n    told = [len(trials), str(error)]"
    )
    assert in_python(app, body) == [2, "run_sweep needs config_dir, because the function has no hydra.main around it"]


IN_NOTEBOOK = """\
sys.argv = ['/site-packages/ipykernel_launcher.py', '-f', 'kernel.json']
assert not hasattr(sys.modules['__main__'], '__file__')
"""
OTHERS = "it was started from a notebook or an interpreter; call the function that started the sweep"
ELSEWHERE = "app.py does not read its command line; call the function that started the sweep"


@pytest.mark.parametrize(
    ("before", "call", "reason"),
    [
        ("def main(cfg): return 1.0", "hyperherd.run_sweep(main, {given}, config_dir='conf')", OTHERS),
        ("from hydra import initialize_config_dir", "{zen}", OTHERS),
        ("", "hyperherd.run_sweep(app.main.__wrapped__, {given}, config_dir='conf')", ELSEWHERE),
        ("", "hyperherd.run_sweep(app.main, {given}, config_name='other')", ELSEWHERE),
        ("", "hyperherd.run_sweep(app.main, {given})", None),
    ],
    ids=["its own function", "no command line", "a function without configs", "other configs", "the script's function"],
)
def test_commands_of_a_sweep_in_a_notebook(app: App, before: str, call: str, reason: str | None) -> None:
    """A command is known where the script runs the function with the same configs."""
    (app.folder / "conf" / "other.yaml").write_text("lr: 1\n")
    given = ["lr=1,2", "hydra.sweep.dir=s", "hydra/sweeper=herd"]
    zen = (
        "with initialize_config_dir(os.path.abspath('conf'), version_base=None):\n"
        f"    GlobalHydra.instance().hydra.multirun('config', app.main.__wrapped__, {given})"
    )
    imports = "import os\nfrom hydra.core.global_hydra import GlobalHydra\n"
    look = (
        "\nbest = hyperherd.load('s')[0]\n"
        "told = [best.command, best.sweep.no_command or None, json.load(open('s/.hyperherd/sweep.json'))['no_command']]"
    )
    body = f"{IN_NOTEBOOK}{imports}{before}\n{call.format(given=given, zen=zen)}{look}"
    command, shown, recorded = in_python(app, body)
    assert (shown or "").startswith(reason or "")
    assert shown == recorded
    assert command == ([] if reason else ["python", str(app.script), "hydra.mode=RUN", "lr=1"])


def test_a_script_that_runs_the_sweep_itself_has_no_command(app: App) -> None:
    text = app.script.read_text().replace("    main()\n", "    run_sweep(main, ['lr=1,2', 'hydra.sweep.dir=s'])\n")
    app.script.write_text(text.replace("import hydra\n", "import hydra\nfrom hyperherd import run_sweep\n"))
    done = app.run()
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((app.folder / "s/.hyperherd/sweep.json").read_text())
    assert record["no_command"].startswith(ELSEWHERE)


def test_a_sweep_inside_of_a_job_has_no_command(app: App) -> None:
    """The `hydra.main` above it has read the command line of the job."""
    app.write("""
        import hyperherd
        def inner(config): return float(config.lr)
        hyperherd.run_sweep(inner, ["lr=1,2", "hydra.sweep.dir=s"], config_dir="conf")
    """)
    done = app.run("hydra.run.dir=r")
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((app.folder / "s/.hyperherd/sweep.json").read_text())
    assert record["no_command"].startswith(ELSEWHERE)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["lr=1,2", "nokey=1"], "Could not override 'nokey'"),
        (["lr=1,2", "hydra.sweeper.order=best"], "hydra.sweeper.order is 'best'"),
        (["lr=1,2", "hydra.sweeper.dry_run=true"], "nothing was run"),
    ],
)
def test_what_cannot_start_is_one_kind_of_error(app: App, overrides: list[str], message: str) -> None:
    body = (
        f"try:\n    hyperherd.run_sweep(app.main, {overrides!r})\n"
        "except hyperherd.HyperherdError as error:\n    told = str(error)"
    )
    assert message in in_python(app, body)


def test_settings_of_the_sweeper_without_multirun_are_one_warning(app: App) -> None:
    done = app.run("hydra/sweeper=herd", "hydra.sweeper.seeds=3", "hydra.run.dir=r")
    assert done.stdout.count("hydra.sweeper.seeds=3 has no effect: this is one run, not a sweep; add -m") == 1
    assert "has no effect" not in app.run("hydra/sweeper=herd", "hydra.run.dir=r").stdout


def test_a_project_with_experiments_and_resolvers_in_its_script(app: App) -> None:
    for name, text in {
        "model/small": "width: 16\n",
        "model/large": "width: 1024\ndepth: 9\n",
        "experiment/fast": "# @package _global_\ndefaults: [override /model: large]\nepochs: 2\n",
        "experiment/slow": "# @package _global_\nepochs: 3\n",
    }.items():
        path = app.folder / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    app.write(
        "print('GOT', cfg.model.width, cfg.lr, cfg.epochs, cfg.steps)",
        "defaults: [train_schema, model: small, _self_, experiment: null]\n"
        "epochs: 1\nlr: 0.1\nsteps: ${times:${epochs},10}\n",
    )
    typed = """
        from dataclasses import dataclass
        from typing import Any
        from hydra.core.config_store import ConfigStore
        @dataclass
        class Train:
            epochs: int = 1
            lr: float = 0.1
            steps: int = 0
            model: Any = None
        ConfigStore.instance().store(name="train_schema", node=Train)
        OmegaConf.register_new_resolver("times", lambda a, b: a * b)
    """
    text = app.script.read_text()
    app.script.write_text(text.replace("@hydra.main", textwrap.dedent(typed) + "@hydra.main", 1))
    exclude = "{when: {steps: 30, lr: 1}, exclude: true}"
    longer = "{when: {model.depth: {gt: 5}, epochs: 2}, set: {epochs: {expr: model.depth}}}"
    conditions = f"[{exclude}, {longer}]"
    sweep = app.sweep("experiment=fast,slow", "lr=1,2", f"hydra.sweeper.conditions={conditions}")
    got = sorted(line for line in sweep.done.stdout.splitlines() if line.startswith("GOT"))
    assert got == ["GOT 1024 1.0 9 90", "GOT 1024 2.0 9 90", "GOT 16 2.0 3 30"]
