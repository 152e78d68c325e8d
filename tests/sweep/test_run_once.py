"""Whether an app sweeps although nobody typed -m: what is known without composing is what composing shows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.core.singleton import Singleton
from hydra.types import RunMode

from hyperherd.sweep import run
from hyperherd.sweep.app import HydraApp


@pytest.fixture
def _singletons() -> Iterator[None]:
    state = Singleton.get_state()
    yield
    Singleton.set_state(state)


def by_composing(app: HydraApp) -> bool:
    """The app's mode without what was typed about it, as Hydra itself finds it."""
    given = [text for text in app.hydra_overrides if not text.startswith("hydra.mode=")]
    config = app.loader.load_configuration(app.config.hydra.job.config_name, given, RunMode.MULTIRUN)
    return bool(config.hydra.mode is RunMode.MULTIRUN)


@pytest.mark.filterwarnings(r"ignore:\s*Running Hydra app:UserWarning")
@pytest.mark.usefixtures("_singletons")
@pytest.mark.parametrize("mode", ["null", "RUN", "MULTIRUN"])
@pytest.mark.parametrize(
    ("typed", "compositions"),
    [(["-m"], 0), (["-m", "hydra.mode=MULTIRUN"], 1), (["hydra.mode=MULTIRUN"], 1), (["-m", "hydra.mode=RUN"], 1)],
)
def test_without_a_composition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, typed: list[str], compositions: int
) -> None:
    (tmp_path / "config.yaml").write_text(f"lr: 1\nhydra: {{mode: {mode}}}\n")
    seen: list[tuple[bool, int, bool]] = []

    def look(app: HydraApp, arguments: Any) -> list[Any]:
        composed: list[Any] = []
        compose = app.loader.load_configuration
        monkeypatch.setattr(app.loader, "load_configuration", lambda **how: composed.append(1) or compose(**how))
        found = bool(app.run_once)
        monkeypatch.undo()
        seen.append((found, len(composed), by_composing(app)))
        return []

    monkeypatch.setattr(run, "run_sweep", look)
    quiet = ["hydra/hydra_logging=none", "hydra/job_logging=none", "hydra.output_subdir=null"]
    monkeypatch.setattr(sys, "argv", ["app.py", *typed, "lr=1,2", "hydra/sweeper=herd", *quiet])
    hydra.main(version_base=None, config_path=str(tmp_path), config_name="config")(lambda cfg: None)()
    ((found, composed, expected),) = seen
    assert found is expected
    assert composed == (0 if mode == "MULTIRUN" and typed == ["-m"] else compositions)
