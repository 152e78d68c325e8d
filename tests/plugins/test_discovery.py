"""Hydra executes our plugin modules at every start of every app in the environment: they must be light and harmless."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from conftest import App

ROOT = Path(__file__).resolve().parents[2]

SCAN = """
import json, sys
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper
kinds = (Launcher, Sweeper, SearchPathPlugin)
found = [plugin.__name__ for kind in kinds for plugin in Plugins.instance().discover(kind)]
print(json.dumps({"found": found, "modules": sorted(sys.modules)}))
"""
HEAVY = {"submitit", "pyarrow", "numpy", "pandas", "torch", "lightning", "pytorch_lightning", "transformers", "orjson"}


def test_discovery_finds_us_and_loads_nothing_heavy() -> None:
    done = subprocess.run(
        # joblib's and submitit's own plugin modules are found by the same scan; what they load is not ours to judge.
        [sys.executable, "-W", "error", "-c", SCAN],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    plugins = {name for name in told["found"] if name.startswith("Herd")}
    launchers = {"HerdLocalLauncher", "HerdSlurmLauncher", "HerdLsfLauncher"}
    assert plugins == {"HerdSweeper", "HerdSearchPathPlugin", *launchers}
    assert not HEAVY & set(told["modules"])
    ours = {name for name in told["modules"] if name.split(".")[0] == "hyperherd"}
    assert ours == {
        "hyperherd",
        "hyperherd.compat",
        "hyperherd.compat.config_store",
        "hyperherd.launch",
        "hyperherd.launch.plugin",
        "hyperherd.paths",
        "hyperherd.schemas",
    }


def test_every_plugin_has_its_entry_point() -> None:
    """Hydra 1.4 finds plugins by these; the scan of the namespace package is deprecated there."""
    scanned = set()
    for module in (ROOT / "hydra_plugins" / "hyperherd").glob("*.py"):
        classes = re.findall(r"^class (Herd\w+)", module.read_text(), re.MULTILINE)
        scanned |= {f"hydra_plugins.hyperherd.{module.stem}:{name}" for name in classes}
    found = entry_points(group="hydra.plugins")
    assert len(scanned) == 5
    assert scanned == {point.value for point in found if point.value.startswith("hydra_plugins.hyperherd.")}
    assert all(isinstance(point.load(), type) for point in found)


@pytest.mark.slow
def test_an_app_that_does_not_use_us_sees_nothing_of_us(app: App) -> None:
    assert "herd" not in app.run("--help").stdout
    assert "herd" in app.run("--hydra-help").stdout


def test_the_sweeper_is_configured_by_a_typed_schema(app: App) -> None:
    done = app.run("-m", "hydra/sweeper=herd", "hydra.sweeper.max_batch_size=many")
    assert done.returncode == 1
    assert "could not be converted to Integer" in done.stderr
