"""A further rank of a trial: it runs with what Hydra gave the sweep, without the users' callbacks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra.core.utils
import pytest
from hydra.types import HydraContext
from omegaconf import DictConfig

from hyperherd.launch.worker import join_trial
from hyperherd.records.sweep import PlannedTrial, write_planned
from hyperherd.sweep.app import composed_app


@dataclass
class LaterContext(HydraContext):
    """As later versions of Hydra have it, with fields that we know nothing of."""

    execution_whitelist: tuple[str, ...] = ()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Future Hydra versions will no longer change working directory")
def test_a_rank_runs_with_all_of_hydras_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.yaml").write_text("lr: 0.1\n")
    sweep_dir = tmp_path / "s"
    app = composed_app(tmp_path, "config", [f"hydra.sweep.dir={sweep_dir}"])
    trial = PlannedTrial(0, "k", "n", ("lr=0.5",), {"lr": 0.5}, dir="0")
    write_planned(sweep_dir, [trial])
    monkeypatch.setenv("HYPERHERD_WORKSPACE", str(sweep_dir))
    monkeypatch.setenv("HYPERHERD_TRIAL_ID", "0")
    contexts: list[HydraContext] = []
    run_job = hydra.core.utils.run_job

    def noting(**arguments: Any) -> Any:
        contexts.append(arguments["hydra_context"])
        return run_job(**arguments)

    def task(config: DictConfig) -> float:
        return float(config.lr)

    monkeypatch.setattr(hydra.core.utils, "run_job", noting)
    context = LaterContext(app.context.config_loader, app.context.callbacks, ("ours.*",))
    returned = join_trial(sweep_dir / "0", hydra_context=context, config=app.config, task_function=task)
    assert returned.return_value == 0.5
    (given,) = contexts
    assert isinstance(given, LaterContext)
    assert given.execution_whitelist == ("ours.*",)
    assert given.callbacks is not context.callbacks
