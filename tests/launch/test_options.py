"""One config serves every launcher of ours: what is for another one is left out, and typing mistakes are refused."""

from __future__ import annotations

import importlib
import logging
from typing import Any

import pytest
from conftest import App
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from hyperherd.errors import SweepError
from hyperherd.launch import options
from hyperherd.launch.base import TrialLauncher
from hyperherd.launch.options import every_option, own_options
from hyperherd.records.sweep import PlannedTrial
from hyperherd.schemas import LAUNCHERS
from hyperherd.sweep.running.resources import check_resources

CLUSTER = """
hydra:
  launcher:
    {partition: gpu, account: "${oc.env:NOT_SET_ON_A_LAPTOP}", mem_gb: 8, timeout_min: 60, setup: [module load x]}
"""


@pytest.fixture(scope="module", autouse=True)
def stored() -> None:
    for launcher in LAUNCHERS:
        importlib.import_module(f"hydra_plugins.hyperherd.{launcher.removeprefix('herd_')}_launcher")


@pytest.fixture(autouse=True)
def nothing_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "_noted", set())


@pytest.mark.parametrize("sweeper", ["herd", "basic"])
def test_a_laptop_runs_the_config_of_a_cluster(app: App, sweeper: str) -> None:
    # Hydra resolves what it hands to the launchers of its own sweeper.
    text = CLUSTER.replace("${oc.env:NOT_SET_ON_A_LAPTOP}", "me") if sweeper == "basic" else CLUSTER
    config = app.folder / "conf/config.yaml"
    config.write_text(config.read_text() + text)
    done = app.run("-m", "lr=1,2", f"hydra/sweeper={sweeper}", "hydra/launcher=herd_local")
    assert done.returncode == 0, done.stderr
    note = "herd_local ignores options of other launchers: hydra.launcher.partition, account, mem_gb, setup"
    assert done.stdout.count(note) == 1


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("other", LAUNCHERS)
def test_each_launcher_takes_the_options_of_each_other(launcher: str, other: str) -> None:
    schema = ConfigStore.instance().load(f"hydra/launcher/{launcher}_schema.yaml").node
    written = OmegaConf.to_container(OmegaConf.structured(LAUNCHERS[other]), resolve=False)
    assert isinstance(written, dict)
    given = {key: value for key, value in written.items() if not key.startswith("_")}
    merged = OmegaConf.merge(schema, {key: value for key, value in given.items() if key not in schema})
    own = own_options(launcher, merged)  # type: ignore[arg-type]
    assert own.keys() == schema.keys()


def test_types_are_still_checked() -> None:
    schema = ConfigStore.instance().load("hydra/launcher/herd_slurm_schema.yaml").node
    with pytest.raises(Exception, match="could not be converted to Integer"):
        OmegaConf.merge(schema, {"nodes": "many"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_paralel": 2}, r"hydra\.launcher has no key 'max_paralel' \(did you mean 'max_parallel'\?\)"),
        ({"partitoin": "gpu"}, r"hydra\.launcher has no key 'partitoin' \(did you mean 'partition'\?\)"),
        ({"nodes": 2}, "hydra.launcher.nodes is 2, but herd_local starts one process for each trial"),
        ({"env": {"A": "secret"}}, "hydra.launcher.env sets A, but herd_local gives trials the environment"),
    ],
)
def test_what_is_wrong_or_would_change_trials_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SweepError, match=message) as caught:
        own_options("herd_local", OmegaConf.create(given))
    assert "secret" not in str(caught.value)


def test_options_that_say_nothing_are_not_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert own_options("herd_local", {"nodes": 1, "env": {}, "partition": None, "threads": 2}) == {"threads": 2}
        assert "nodes" in caplog.text
        assert "partition" not in caplog.text


class Local(TrialLauncher):
    """Knows what `herd_local` can give."""

    name = "herd_local"
    resources = {"timeout_min": 5}  # noqa: RUF012 - in place of a property
    submit = events = cancel = None  # type: ignore[assignment] - not called


def trial(**resources: Any) -> PlannedTrial:
    return PlannedTrial(number=3, key="k", name="n", overrides=(), params={}, resources=resources)


def test_resources_for_a_cluster_are_ignored_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert check_resources([trial(mem_gb=64, partition="big")], Local()) == {"mem_gb", "partition"}
    assert "1 trial requested mem_gb, partition, which herd_local cannot set per trial" in caplog.text


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (
            {"mem_bg": 3},
            r"trial 3 requests the resource 'mem_bg' \(did you mean 'mem_gb'\?\), which no launcher",
        ),
        (
            {"threads": 3},
            "requests the resource 'threads', which herd_local cannot set per trial; it can set",
        ),
        ({"nodes": 2}, "the resource 'nodes' of trial 3 is 2, but herd_local starts one process"),
    ],
)
def test_other_resources_are_refused(resources: dict[str, Any], message: str) -> None:
    with pytest.raises(SweepError, match=message):
        check_resources([trial(**resources)], Local())


def test_every_option_of_a_preset_is_known() -> None:
    assert {"partition", "queue", "threads", "wait"} <= every_option()
