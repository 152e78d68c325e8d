"""What trials get, in the pool and while a sweep is planned, is what Hydra composes, whatever was remembered before."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from composing import register_resolver
from hydra.core.singleton import Singleton
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from hyperherd.launch.base import TrialJob
from hyperherd.launch.local.compose import Composer
from hyperherd.sweep.app import HydraApp, composed_app, hydra_in_this_process

FILES = {
    "config.yaml": """
        defaults: [model: cnn, optimizer: adam, data@source: mnist, tail: "${model}", optional extra: null, _self_]
        lr: 0.1
        name: ${model.name}_${lr}
        nested: {a: {b: 1}, list: [1, 2]}
        """,
    "model/cnn.yaml": "{name: cnn, width: 8}",
    "model/vit.yaml": "{defaults: [part: small], name: vit, heads: 4}",
    "model/part/small.yaml": "size: 1",
    "model/part/large.yaml": "size: 2",
    "optimizer/adam.yaml": "{beta: 0.9, lr: '${lr}'}",
    "optimizer/sgd.yaml": "momentum: 0",
    "data/mnist.yaml": "path: mnist",
    "data/cifar.yaml": "path: cifar",
    "tail/cnn.yaml": "for_cnn: true",
    "tail/vit.yaml": "for_vit: true",
    "extra/more.yaml": "more: 1",
    "other/extra/less.yaml": "less: 1",
}
TRIALS = [
    ["lr=0.2"],
    ["lr=0.3", "nested.a.b=2"],
    ["lr=0.3", "lr=0.4"],
    ["model=vit"],
    ["model=vit", "model.heads=8", "lr=1"],
    ["model.heads=8", "model=vit"],
    ["model=vit", "model/part=large"],
    ["model={name: inline}"],
    ["optimizer=sgd", "++optimizer.beta=1", "+optimizer.nesterov=true"],
    ["optimizer=sgd", "~optimizer.momentum"],
    ["~optimizer"],
    ["data@source=cifar", "source.path=elsewhere"],
    ["+data@spare=cifar"],
    ["+extra=more", "extra.more=2"],
    ["extra=more"],
    ["nested.list=[3]", "nested.a={b: 5}"],
    ["lr='${nested.a.b}'", "hydra.job.name=other", "hydra.sweep.subdir=x"],
    ["hydra.searchpath=[file://{folder}/other]", "+extra=less"],
    ["lr=1", "hydra/job_logging=none"],
    # Those that do not compose.
    ["absent=1"],
    ["model=absent"],
    ["+extra=less"],
    ["model=[cnn,vit]"],
    ["lr=1", "~absent"],
    ["optimizer=sgd", "optimizer.beta=1"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conf")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("\n".join(line.strip() for line in text.strip().splitlines()) + "\n")
    return folder


@pytest.fixture(scope="module")
def app(folder: Path) -> Iterator[HydraApp]:
    state = Singleton.get_state()
    yield composed_app(folder, "config", ["hydra/launcher=basic"])
    Singleton.set_state(state)


def outcome(compose: Callable[[TrialJob], DictConfig], job: TrialJob) -> DictConfig | str:
    try:
        return compose(job)
    except Exception as error:  # noqa: BLE001 - whatever it is has to be the same
        return f"{type(error).__name__}: {error}"


def forked(composer: Composer) -> Composer:
    """Return what a trial's process would have."""
    twin = copy.copy(composer)
    twin._composition = copy.copy(composer._composition)
    twin._composition._merged = copy.deepcopy(composer._composition._merged)
    return twin


def by_hydra(app: HydraApp, job: TrialJob) -> DictConfig:
    """Return what Hydra composes with nothing remembered."""
    config = app.loader.load_sweep_config(app.config, list(job.overrides))
    with open_dict(config):
        config.hydra.job.id, config.hydra.job.num = str(job.number), job.number
    return config


@pytest.mark.slow
def test_a_trial_gets_what_hydra_composes(app: HydraApp, folder: Path) -> None:
    composer, failed = Composer(app.loader, app.config), 0
    sources = app.loader.get_sources()
    jobs = [
        TrialJob(number, 0, tuple(text.replace("{folder}", str(folder)) for text in texts))
        for number, texts in enumerate(TRIALS)
    ]
    for job in jobs:
        composer.prepare(job)
    for job in reversed(jobs):
        expected = outcome(lambda job: by_hydra(app, job), job)
        for compose in (forked(composer).compose, lambda job: app.compose(job.overrides, job.number, str(job.number))):
            found = outcome(compose, job)
            assert found == expected, job
            if isinstance(expected, DictConfig):
                assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(expected), job
        failed += isinstance(expected, str)
    assert 6 <= failed <= 8
    assert app.loader.get_sources() == sources  # `hydra.searchpath` of one trial is not another's


def test_a_choice_of_groups_is_merged_once(app: HydraApp, monkeypatch: pytest.MonkeyPatch) -> None:
    from hyperherd.compat import composition

    merged = []
    merge = composition._merge
    monkeypatch.setattr(composition, "_merge", lambda *given: merged.append(1) or merge(*given))
    monkeypatch.setattr(composition, "_compositions", {})
    app.compose(["lr=9"], 0, "0")  # as validation does before the pool starts
    composer = Composer(app.loader, app.config)
    for texts in (["lr=1"], ["lr=2"], ["model=vit"], ["lr=3", "nested.a.b=4"], ["model=vit", "lr=1"]):
        composer.prepare(TrialJob(0, 0, tuple(texts)))
    assert len(merged) == 2
    assert app.compose(["lr=6"], 0, "0").lr == 6
    assert composer.compose(TrialJob(7, 0, ("lr=5",))).lr == 5
    assert len(merged) == 2


def test_of_many_choices_the_first_ones_are_forgotten(app: HydraApp, monkeypatch: pytest.MonkeyPatch) -> None:
    from hyperherd.compat import composition

    monkeypatch.setattr(composition, "_MOST", 2)
    monkeypatch.setattr(composition, "_compositions", {})
    for model, optimizer in (("cnn", "adam"), ("cnn", "sgd"), ("vit", "adam"), ("cnn", "adam")):
        texts = [f"model={model}", f"optimizer={optimizer}", "lr=2"]
        assert app.compose(texts, 1, "1") == by_hydra(app, TrialJob(1, 0, tuple(texts)))
        assert len(composition.composition(app.loader)._merged) <= 2
    composer = Composer(app.loader, app.config)
    composer.prepare(TrialJob(0, 0, ("model=cnn", "optimizer=sgd")))
    assert len(composer._composition._merged) == 3


def test_a_resolver_may_compose_something_of_its_own_meanwhile(app: HydraApp, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("own: 1\n")

    def other() -> int:
        with hydra_in_this_process(tmp_path) as inner:
            own: int = inner.compose_config("config", [], RunMode.RUN).own
            return own

    register_resolver("composes_another_app", other)
    try:
        texts = ("++hydra.job.config.override_dirname.kv_sep='${composes_another_app:}'",)  # read while it composes
        assert app.compose(["lr=2"], 0, "0").lr == 2
        assert app.compose([*texts, "lr=2"], 0, "0").hydra.job.override_dirname == "lr12"
        assert app.compose(["lr=3"], 0, "0") == by_hydra(app, TrialJob(0, 0, ("lr=3",)))
    finally:
        OmegaConf.clear_resolver("composes_another_app")


def test_what_is_remembered_goes_with_its_app(folder: Path) -> None:
    from hyperherd.compat.composition import _compositions

    gc.collect()
    before = len(_compositions)
    app = composed_app(folder, "config", [])
    app.compose(["lr=2"], 0, "0")
    assert len(_compositions) == before + 1
    del app
    gc.collect()
    assert len(_compositions) == before
