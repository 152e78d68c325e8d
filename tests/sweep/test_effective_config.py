"""Conditions see the config that each trial composes; compared with composing it, over configs of every kind."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from composing import NEWER, Counting, Typed, register_resolver, write_app
from hydra.core.config_store import ConfigStore
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from hyperherd.errors import SpaceError
from hyperherd.space.expressions import Absent
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.effective_config.effective_config import EffectiveConfigs
from hyperherd.sweep.effective_config.resolution import resolve_twice
from hyperherd.sweep.planning.plan import Plan, make_plan
from hyperherd.sweep.settings import SweepSettings
from hyperherd.sweep.validation.template import NO_COMPOSITION

FILES = {
    "config": """
defaults: [typed, model: small, opt: sgd, _self_, optional experiment: null]
lr: 0.1
seed: 0
epochs: 1
wd: ${lr}
twice: ${mul:${lr},2}
deep: ${mul:${twice},${model.width}}
which: sgd
table: {sgd: 1, adam: {x: "${seed}"}}
picked: ${table.${which}}
chosen: ${hydra:runtime.choices.model}
by_hydra: ${choice_of:opt}
peeked: ${peek_at:epochs}
made: ${make:${lr}}
alias: ${model}
ref: {here: 1, next: "${.here}", up: "${..lr}"}
items: ["${lr}", {a: "${...seed}"}]
listed: ${items[0]}
missing: ???
needs_missing: ${missing}
nowhere: ${model.depth}
""",
    "model/small": "width: 16\nkind: cnn\n",
    "model/large": "width: 1024\ndepth: 9\nlr: ${lr}\nkind: vit\n",
    "model/odd": "width: ${epochs}\nkind: ${which}\n",
    "opt/sgd": "momentum: 0.9\nlr: ${..lr}\n",
    "opt/adam": "beta: 0.99\nlr: ${mul:${..model.width},3}\n",
    "experiment/fast": "# @package _global_\nepochs: 2\nlr: 0.5\n",
    "experiment/wide": (
        "# @package _global_\ndefaults: [override /model: large]\nepochs: 3\nwd: ${mul:${epochs},${seed}}\n"
    ),
}
NAMES = [
    "lr",
    "seed",
    "epochs",
    "wd",
    "twice",
    "deep",
    "which",
    "picked",
    "chosen",
    "by_hydra",
    "peeked",
    "made",
    "made.value",
    "alias",
    "alias.width",
    "alias.depth",
    "ref.next",
    "ref.up",
    "ref",
    "items",
    "items[0]",
    "listed",
    "missing",
    "needs_missing",
    "nowhere",
    "model",
    "opt",
    "experiment",
    "model.width",
    "model.depth",
    "model.lr",
    "model.kind",
    "opt.momentum",
    "opt.beta",
    "opt.lr",
    "t.i",
    "t.b",
    "t.s",
    "t.e",
    "t.inner.width",
    "new.key",
    "absent",
]
OVERRIDES = [
    "lr=0.2",
    "lr=1",
    "seed=3",
    "seed=4",
    "epochs=7",
    "which=adam",
    "model=small",
    "model=large",
    "model=odd",
    "opt=adam",
    "experiment=fast",
    "experiment=wide",
    "+new.key=1",
    "++new.key=2",
    "t.i=4",
    "t.b=true",
    "t.s=word",
    "t.e=BLUE",
    "t.inner.width=5",
    "wd=0.3",
    "wd=${seed}",
    "table.sgd=5",
    "table={sgd:6}",
    "model.width=5",
    "alias.width=6",
    "ref.here=2",
    "missing=1",
    "nokey=1",
    "~wd",
    "items=[9]",
    "ref={here:3}",
]


@pytest.fixture(scope="module", autouse=True)
def resolvers() -> Iterator[None]:
    from hydra.core.hydra_config import HydraConfig

    store = ConfigStore.instance()
    store.store(name="typed", node={"t": Typed})
    register_resolver("mul", lambda left, right: left * right)
    register_resolver("make", lambda value: OmegaConf.create({"value": value, "again": "${seed}"}))
    register_resolver("choice_of", lambda group: HydraConfig.get().runtime.choices[group])
    register_resolver("peek_at", lambda name, _root_: OmegaConf.select(_root_, name))
    yield
    del store.repo["typed.yaml"]
    for name in ("mul", "make", "choice_of", "peek_at"):
        OmegaConf.clear_resolver(name)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> HydraApp:
    return write_app(tmp_path_factory.mktemp("app"), FILES)


configs_of: dict[tuple[int, tuple[str, ...]], Any] = {}


def composed(app: HydraApp, texts: Sequence[str], name: str) -> Any:
    """Return what the trial's own config has under `name`, composed by Hydra; Absent if nothing."""
    key = id(app), tuple(texts)
    if key not in configs_of:
        try:
            configs_of[key] = app.compose(texts, 0, "id")
        except NO_COMPOSITION:
            configs_of[key] = None
    config = configs_of[key]
    if config is None:
        return Absent
    choices = config.hydra.runtime.choices
    if name in choices:
        return choices[name]
    try:
        return resolve_twice(config, name, app.config, None)
    except Absent:
        return Absent


def found(configs: EffectiveConfigs, texts: Sequence[str], name: str) -> Any:
    try:
        return configs.value(tuple(texts), name)
    except Absent:
        return Absent


COMPOSING = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
"""Few examples: each composes many configs."""


@pytest.mark.slow
@COMPOSING
@given(st.data())
def test_a_name_has_the_value_that_the_composed_config_has(app: HydraApp, data: st.DataObject) -> None:
    configs = EffectiveConfigs(app, {})
    trials = data.draw(st.lists(st.lists(st.sampled_from(OVERRIDES), max_size=4, unique=True), min_size=2, max_size=3))
    for texts, name in itertools.product(trials, data.draw(st.lists(st.sampled_from(NAMES), min_size=6, max_size=10))):
        assert found(configs, texts, name) == composed(app, texts, name), (texts, name)


AXES = {
    "lr": ["0.1", "0.2"],
    "model": ["small", "large", "odd"],
    "experiment": ["fast", "wide"],
    "seed": ["1", "2"],
    "which": ["sgd", "adam"],
    "model.width": ["16", "2"],
}


def plan(app: HydraApp, *sweep: str, **options: Any) -> Plan:
    return make_plan(app, sweep, SweepSettings(**options))


@pytest.mark.slow
@COMPOSING
@given(st.data())
def test_each_condition_decides_as_on_the_config_that_the_trial_composes(app: HydraApp, data: st.DataObject) -> None:
    axes = data.draw(st.lists(st.sampled_from([*AXES]), min_size=2, max_size=3, unique=True))
    sweep = [f"{axis}={','.join(AXES[axis])}" for axis in axes]
    everything = plan(app, *sweep).drafts
    name = data.draw(st.sampled_from([each for each in NAMES if each not in ("missing", "absent", "new.key")]))
    values = {draft.overrides: composed(app, draft.overrides, name) for draft in everything}
    known = [value for value in values.values() if value is not Absent]
    if not known:
        return
    asked = data.draw(st.sampled_from(known))
    left = {draft for draft, value in values.items() if repr(value) != repr(asked)}
    condition = {"when": {name: {"eq": asked}}, "exclude": True}
    if left:
        assert {draft.overrides for draft in plan(app, *sweep, conditions=[condition]).drafts} == left
    else:
        with pytest.raises(SpaceError, match="no trial remains"):
            plan(app, *sweep, conditions=[condition])


def test_what_earlier_conditions_did_is_seen(app: HydraApp) -> None:
    conditions = [
        {"when": {"lr": 0.1}, "force": {"model": "large"}},
        {"when": {"model.depth": 9, "seed": 1}, "set": {"epochs": {"expr": "model.depth * 10"}}},
        {"when": {"epochs": 90}, "replace": {"wd": [0.7]}},
        {"when": {"wd": 0.7}, "drop": ["seed"]},
        {"when": {"seed": 0, "model": "large"}, "set": {"new.key": {"expr": "twice + lr"}}},
    ]
    found = plan(app, "lr=0.1,0.2", "seed=1,2", params={"model": ["small"]}, conditions=conditions)
    assert [draft.overrides for draft in found.drafts] == [
        ("model=small", "lr=0.2", "seed=1"),
        ("model=small", "lr=0.2", "seed=2"),
        ("model=large", "lr=0.1", "wd=0.7", "++epochs=90", "++new.key=0.30000000000000004"),
        ("model=large", "lr=0.1", "seed=2"),
    ]


def test_a_dropped_parameter_equals_the_value_that_the_config_has(app: HydraApp) -> None:
    found = plan(app, "lr=0.1,0.2", "epochs=1,2", conditions=[{"when": {"lr": 0.1, "epochs": 2}, "drop": ["epochs"]}])
    assert [draft.params for draft in found.drafts] == [
        {"lr": 0.1, "epochs": 1},
        {"lr": 0.2, "epochs": 1},
        {"lr": 0.2, "epochs": 2},
    ]
    assert found.report.merged == 1


def test_a_parameter_that_stands_still_stands_at_the_value_of_its_own_trial(app: HydraApp) -> None:
    options = {"params": {"model": ["small", "large"], "model.width": [1, 2], "model.depth": [1, 2]}, "grid": ["model"]}
    assert [draft.overrides for draft in plan(app, **options).drafts] == [
        ("model=small", "model.width=16"),
        ("model=large", "model.width=1024", "model.depth=9"),
    ]


@pytest.mark.parametrize(
    ("condition", "options", "message"),
    [
        ({"when": {"model.dept": 9}}, {}, r"condition 0: there is no .*'model.dept' \(did you mean 'model.depth'\?\)"),
        (
            {"when": {"name": "x"}},
            {},
            "name cannot be resolved before the trial runs: only a running trial has hydra.job.num",
        ),
        ({"when": {"dir": "x"}}, {}, "only a running trial has hydra.runtime.output_dir"),
        ({"when": {"chance": 1}}, {}, "chance has a different value each time it is resolved"),
        ({"when": {"home": 1}}, {}, "home cannot be resolved before the trial runs: .*HYPERHERD_TRIAL_ID"),
        ({"when": {"seed": 1}}, {"seeds": 2}, "`seeds` gives each trial its seed after the conditions; search seed"),
        ({"when": {"seeded": 1}}, {"seeds": 2}, "seeded .*`seeds` gives each trial its seed after the conditions"),
        ({"when": {"job": 1}}, {"name_key": "job"}, "name_key gives each trial its job after the conditions"),
        ({"when": {"broken": 1}}, {}, "broken cannot be resolved before the trial runs: .*by zero"),
    ],
)
def test_what_only_a_running_trial_has_is_an_error_that_says_so(
    tmp_path: Path, condition: dict[str, Any], options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPERHERD_TRIAL_ID", "5")  # of a trial that starts this sweep
    counter = itertools.count()
    register_resolver("random_here", lambda: next(counter), replace=True)
    register_resolver("fail_here", lambda: 1 // 0, replace=True)
    lines = (
        "name: run_${hydra:job.num}\ndir: ${hydra:runtime.output_dir}\nchance: ${random_here:}\njob: x\n"
        "home: ${oc.env:HYPERHERD_TRIAL_ID}\nseeded: ${mul:${seed},2}\nbroken: ${fail_here:}\n"
    )
    app = write_app(tmp_path, {**FILES, "config": FILES["config"] + lines})
    with pytest.raises(SpaceError, match=message):
        plan(app, "model=small,large", "lr=0.1,0.2", conditions=[{**condition, "exclude": True}], **options)


def test_a_key_of_one_option_and_of_a_group_that_must_be_chosen(tmp_path: Path) -> None:
    files = {
        "config": "defaults: [_self_, data: '???']\nlr: 1\n",
        "data/text": "words: 5\n",
        "data/images": "pixels: 9\n",
    }
    app = write_app(tmp_path, files)
    conditions = [
        {"when": {"data.pixels": {"gt": 5}, "lr": 2}, "exclude": True},
        {"when": {"data": "text"}, "drop": []},
    ]
    conditions[1]["set"] = {"lr": {"expr": "data.words + 1"}}
    assert [draft.overrides for draft in plan(app, "data=text,images", "lr=1,2", conditions=conditions).drafts] == [
        ("data=text", "++lr=6"),
        ("data=images", "lr=1"),
    ]


def test_a_condition_that_matched_nothing_says_what_the_values_were(app: HydraApp) -> None:
    conditions = [{"name": "large only", "when": {"model.width": {"gt": 9000}, "lr": 0.1}, "exclude": True}]
    assert plan(app, "model=small,large", "lr=0.1,0.2", conditions=conditions).notes == (
        "condition 0 (large only) matched nothing: model.width was 16, 1024",
    )


def test_a_trial_that_does_not_compose_can_be_excluded(tmp_path: Path) -> None:
    files = {
        "config": "defaults: [_self_, a: x, mix: '${a}_y']\n",
        "a/x": "v: 1\n",
        "a/z": "v: 2\n",
        "mix/x_y": "m: 1\n",
    }
    app = write_app(tmp_path, files)
    found = plan(
        app, "a=x,z", conditions=[{"when": {"a": "z"}, "exclude": True}, {"when": {"mix.m": 3}, "exclude": True}]
    )
    assert [draft.overrides for draft in found.drafts] == [("a=x",)]


def test_a_value_is_resolved_once_for_what_it_depends_on(app: HydraApp) -> None:
    counting: Any = Counting(app)
    conditions = [
        {"when": {"expr": "model.width * wd > 100"}, "exclude": True},
        {"when": {"deep": 6.4}, "exclude": True},
        {"when": {"opt.lr": 0.2}, "exclude": True},
    ]
    make_plan(counting, ["model=small,large", "lr=0.1,0.2", "seed=range(100)"], SweepSettings(conditions=conditions))
    assert len(counting.composed) == 3  # one for each model, and one without any


def test_resolvers_change_nothing_for_others(tmp_path: Path) -> None:
    def careless(node: Any) -> int:
        node["a"] += 1
        return int(node["a"])

    register_resolver("careless", careless, replace=True)
    app = write_app(tmp_path, {"config": "lr: 1\nopt: {a: 1}\nsize: ${careless:${opt}}\n"})
    configs = EffectiveConfigs(app, {})
    assert found(configs, ["lr=2"], "size") == 2
    assert found(configs, ["lr=2"], "size") == 2
    assert found(configs, ["lr=2"], "opt") == {"a": 1}


PLACED = {
    "config": "defaults: [_self_, db@source: mysql, db@target: pg]\nlr: 1\n",
    "db/mysql": "driver: mysql\nport: 3306\n",
    "db/pg": "driver: pg\nport: 5432\n",
}


@pytest.mark.parametrize(
    "condition",
    [
        {"when": {"db@source": "pg", "lr": 2}, "exclude": True},
        {"when": {"source.port": {"gt": 4000}, "lr": 2}, "exclude": True},
        {"when": {"expr": "p['db@source'] == 'pg' and lr > 1"}, "exclude": True},
        {"when": {"lr": 2}, "exclude": {"db@source": ["pg"]}},
    ],
)
def test_a_group_that_is_placed_by_its_package(tmp_path: Path, condition: dict[str, Any]) -> None:
    app = write_app(tmp_path, PLACED)
    assert [draft.overrides for draft in plan(app, "db@source=mysql,pg", "lr=1,2", conditions=[condition]).drafts] == [
        ("db@source=mysql", "lr=1"),
        ("db@source=mysql", "lr=2"),
        ("db@source=pg", "lr=1"),
    ]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"when": {"db": "pg"}, "exclude": True}, "value 'db' (did you mean 'db@source' or 'db@target'?)"),
        ({"when": {"lr": 2}, "force": {"db": "pg"}}, "'db' is not one (did you mean 'db@source'?)"),
        ({"when": {"expr": "db@source == 'pg'"}, "exclude": True}, "is written p['db@source']"),
    ],
)
def test_a_group_without_its_package_is_answered_with_it(
    tmp_path: Path, condition: dict[str, Any], message: str
) -> None:
    app = write_app(tmp_path, PLACED)
    with pytest.raises(SpaceError, match=re.escape(message)):
        plan(app, "db@source=mysql,pg", "lr=1,2", conditions=[condition])


@pytest.mark.skipif(not NEWER, reason="hydra.aliases came with Hydra 1.4")
@pytest.mark.parametrize(
    ("options", "trials"),
    [
        ({"conditions": [{"when": {"m": "large", "l": 2}, "exclude": True}]}, "16/1 16/2 1024/1"),
        ({"conditions": [{"when": {"expr": "w > 100 and l > 1"}, "exclude": True}]}, "16/1 16/2 1024/1"),
        ({"conditions": [{"when": {"l": 2}, "exclude": {"m": ["large"]}}]}, "16/1 16/2 1024/1"),
        ({"conditions": [{"when": {"m": "large"}, "force": {"l": 2}}]}, "16/1 16/2 1024/2"),
        ({"conditions": [{"when": {"m": "large"}, "drop": ["l"]}]}, "16/1 16/2 1024/0.1"),
        ({"conditions": [{"when": {"m": "large"}, "set": {"w": {"expr": "w + l"}}}]}, "16/1 16/2 1025/1 1026/2"),
        ({"conditions": [{"when": {"m": "large", "l": 2}, "replace": {"w": [5, 6]}}]}, "16/1 16/2 1024/1 5/2 6/2"),
        ({"zip": [["m", "l"]]}, "16/1 1024/2"),
        ({"grid": ["l"]}, "16/1 16/2"),
    ],
)
def test_a_key_may_be_written_as_its_alias(tmp_path: Path, options: dict[str, Any], trials: str) -> None:
    aliases = "hydra: {aliases: {m: model, w: model.width, l: lr}}\n"
    app = write_app(tmp_path, {**FILES, "config": FILES["config"] + aliases})
    found = [
        app.compose(draft.overrides, 0, "id") for draft in plan(app, "model=small,large", "lr=1,2", **options).drafts
    ]
    assert " ".join(f"{config.model.width}/{config.lr:g}" for config in found) == trials
