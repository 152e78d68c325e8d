from __future__ import annotations

import math
import subprocess
import sys

import pytest
from results.builder import SweepBuilder
from waiting import PATIENCE

from hyperherd import Trials, load
from hyperherd.errors import ResultsError
from hyperherd.records.states import TrialState

pytest.importorskip("pandas", reason="pandas is not installed")


@pytest.fixture
def trials(sweep: SweepBuilder) -> Trials:
    """Two lr of three seeds: one failed, one was pruned, one runs, and one ran twice."""
    for lr, seed, acc in [(0.1, 0, 0.5), (0.1, 1, 0.7), (0.2, 0, 0.8), (0.2, 1, 0.6)]:
        sweep.trial({"val/acc": acc}, params={"lr": lr, "seed": seed})
    sweep.failed({"val/acc": 0.01}, params={"lr": 0.1, "seed": 2})
    sweep.running({"val/acc": 0.02}, params={"lr": 0.2, "seed": 2})
    sweep.trial({"val/acc": 0.03}, params={"lr": 0.2, "seed": 3}, state=TrialState.PRUNED)
    sweep.trial({"val/acc": 0.9}, params={"lr": 0.2, "seed": 0}, ended=999.0)
    return load(sweep.dir)


def test_a_mean_of_the_frame_is_that_of_the_table(trials: Trials) -> None:
    """Neither what did not finish nor what ran twice takes part, and there is no mean of seeds or numbers."""
    frame = trials.to_pandas()
    means = frame.groupby("lr").mean(numeric_only=True)
    assert list(means.columns) == ["val/acc"]
    known = {group.settings["lr"]: group.spread("val/acc").mean for group in trials.seeds()}
    assert means["val/acc"].to_dict() == pytest.approx(known)


def test_what_the_values_are_is_a_column(trials: Trials) -> None:
    frame = trials.to_pandas()
    told = ["final", "final", "superseded", "final", "unfinished", "unfinished", "unfinished", "final"]
    assert list(frame["values_are"]) == told
    assert [math.isnan(value) for value in frame["val/acc"]] == [word != "final" for word in told]
    every = trials.to_pandas(every_value=True)
    assert list(every["val/acc"]) == [0.5, 0.7, 0.8, 0.6, 0.01, 0.02, 0.03, 0.9]
    assert list(every["values_are"]) == told


def test_seeds_and_numbers_are_looked_up_as_before(trials: Trials) -> None:
    frame = trials.to_pandas()
    assert list(frame[frame["seed"] == 1]["val/acc"]) == [0.7, 0.6]
    assert frame.set_index("number").loc[3, "val/acc"] == 0.6
    assert (frame["seed"].min(), frame["seed"].max()) == (0, 3)


def test_config_values_are_columns_by_name_or_all(sweep: SweepBuilder) -> None:
    for number in range(2):
        sweep.trial({"val/acc": 0.5, "model.depth": 3.0}, params={"lr": number})
        folder = sweep.dir / str(number) / ".hydra"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(f"lr: {number}\nmodel: {{name: cnn, depth: 2}}\nlayers: [1, 2]\n")
    trials = load(sweep.dir)
    frame = trials.to_pandas(config=["model.name", "model.depth"])
    assert list(frame["model.name"]) == ["cnn", "cnn"]
    assert (list(frame["config.model.depth"]), list(frame["model.depth"])) == ([2, 2], [3.0, 3.0])
    every = trials.to_pandas(config=True)
    assert set(every.columns) - set(trials.to_pandas().columns) == {"model.name", "config.model.depth", "layers"}
    assert list(every["layers"]) == ["[1,2]", "[1,2]"]
    with pytest.raises(ResultsError, match=r"did you mean 'model\.name'"):
        trials.to_pandas(config=["model.nme"])


def test_a_dimension_for_each_parameter_and_one_for_seeds(trials: Trials) -> None:
    pytest.importorskip("xarray", reason="xarray is not installed")
    cube = trials.to_xarray()
    assert dict(cube.sizes) == {"lr": 2, "seed": 4}
    assert float(cube["val/acc"].sel(lr=0.2, seed=0)) == 0.9  # the newest
    assert list(map(float, cube["val/acc"].mean("seed"))) == pytest.approx([0.6, 0.75])
    assert cube["state"].sel(seed=2).values.tolist() == ["failed", "running"]
    assert (cube["number"].sel(lr=0.1, seed=3), cube["state"].sel(lr=0.1, seed=3)) == (-1, "")
    assert cube.attrs == {"objective": "val/acc", "direction": "maximize"}
    assert list(trials.to_xarray("val/acc:max").data_vars) == ["val/acc:max", "state", "number"]


def test_parameters_that_some_do_not_have_and_texts_and_truths(sweep: SweepBuilder) -> None:
    pytest.importorskip("xarray", reason="xarray is not installed")
    for place, params in enumerate([{"opt": "sgd", "m": 0.9}, {"opt": "sgd", "m": 0.5}, {"opt": "adam"}]):
        for flag in (True, False):
            sweep.trial({"loss": place + flag / 2}, params={**params, "nesterov": flag})
    cube = load(sweep.dir).to_xarray("loss")
    assert dict(cube.sizes) == {"opt": 2, "m": 3, "nesterov": 2}
    assert (cube["opt"].values.tolist(), cube["nesterov"].values.tolist()) == (["sgd", "adam"], [False, True])
    assert cube["m"].values.tolist()[:2] == [0.5, 0.9]
    assert float(cube["loss"].sel(opt="adam", nesterov=True).isel(m=2)) == 2.5
    assert float(cube["loss"].sel(opt="sgd", m=0.5, nesterov=False)) == 1.0
    assert int(cube["loss"].notnull().sum()) == 6


def test_several_seeds_are_one_dimension(sweep: SweepBuilder) -> None:
    pytest.importorskip("xarray", reason="xarray is not installed")
    for place in range(4):
        sweep.trial({"loss": float(place)}, params={"seed": place % 2, "data_seed": place // 2})
    cube = load(sweep.dir).to_xarray()
    assert dict(cube.sizes) == {"seed": 4}
    assert float(cube["loss"].sel(seed="1,0")) == 1.0


def test_what_is_not_a_grid_is_refused(sweep: SweepBuilder) -> None:
    pytest.importorskip("xarray", reason="xarray is not installed")
    for place in range(12):
        sweep.trial({"loss": 1.0}, params=dict.fromkeys(("lr", "wd", "m", "beta"), place / 7))
    with pytest.raises(ResultsError, match=r"12 trials are not a grid: .* span 20736 cells \(lr: 12 values"):
        load(sweep.dir).to_xarray()


def test_two_configurations_never_share_a_place(sweep: SweepBuilder) -> None:
    pytest.importorskip("xarray", reason="xarray is not installed")
    for lr in (1, 1.0, 2):
        sweep.trial({"loss": 1.0}, params={"lr": lr})
    with pytest.raises(ResultsError, match="trials 0 and 1 have one place"):
        load(sweep.dir).to_xarray()


def test_a_parameter_is_not_a_metric(trials: Trials) -> None:
    pytest.importorskip("xarray", reason="xarray is not installed")
    with pytest.raises(ResultsError, match="'lr' is not a metric"):
        trials.to_xarray("lr")


def test_without_xarray_it_says_what_to_install(trials: Trials) -> None:
    code = (
        "import sys; sys.modules['xarray'] = None\n"
        "import hyperherd; from hyperherd.errors import ResultsError\n"
        "try: hyperherd.load(sys.argv[1]).to_xarray()\n"
        "except ResultsError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(trials.sweeps[0].dir)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == "arrays with named axes need xarray: pip install 'hydra-hyperherd[xarray]'\n", done.stderr
