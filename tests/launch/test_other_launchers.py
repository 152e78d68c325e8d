"""What a trial knows of its script under launchers of others, which pickle the task function their own way."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path

import cloudpickle
import pytest
from conftest import App

from hyperherd.launch.payload import PortableFunction
from hyperherd.launch.worker import TrialTask
from hyperherd.results.api import load

SCRIPT = """\
import functools, inspect, json, warnings
import hydra
from omegaconf import OmegaConf

class Net:
    depth = 2

def noted(task):
    @functools.wraps(task)
    def call(cfg):
        return task(cfg)
    return call

@hydra.main(version_base=None, config_path="conf", config_name="config")
@noted
def main(cfg):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("old")
    with open(f"seen-{cfg.lr}.json", "w") as file:
        json.dump([caught[0].filename, inspect.getsource(Net), inspect.getsource(noted)[:16]], file)
    raise ValueError("boom")

if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_tracebacks_sources_and_warnings_name_the_script(app: App, launcher: str) -> None:
    app.script.write_text(SCRIPT)
    sweep = app.sweep("lr=1,2", f"hydra/launcher={launcher}", code=1)
    for value in (1, 2):
        seen = json.loads((app.folder / f"seen-{value}.json").read_text())
        assert seen == [str(app.script), "class Net:\n    depth = 2\n", "def noted(task):"]
    (group,) = load(sweep.dir).failures().groups
    assert len(group.trials) == 2
    line = SCRIPT.splitlines().index('    raise ValueError("boom")') + 1
    for record in sweep.records.values():
        assert record.error is not None
        assert f'File "{app.script}", line {line}, in main\n    raise ValueError("boom")\n' in record.error.traceback


def test_an_object_beside_the_function_is_not_pickled_twice() -> None:
    """And a copy in the same process leaves the process as it is."""

    def task(_: object) -> int:
        return 3

    main = sys.modules["__main__"]
    made = TrialTask(task, Path("s"), "")
    for other in (cloudpickle.loads(cloudpickle.dumps(made)), copy.copy(made)):
        assert isinstance(other._task_function, PortableFunction)
        assert other._task_function(None) == 3
        assert other.__wrapped__ is other._task_function.function
        assert other.__name__ == "task"
    assert cloudpickle.dumps(made).count(b"test_other_launchers.py") <= 2
    assert sys.modules["__main__"] is main
