"""Trials in MLflow: a real server on loopback, asked by MLflow's own client."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forward import killing, reading
from forward.serving import mlflow_server
from forward.sweeps import SECRET, START, expected, log, send, write_sweep

from hyperherd import load
from hyperherd.cli.main import main
from hyperherd.errors import ResultsError
from hyperherd.forward import forward, tracker
from hyperherd.forward.trackers import mlflow as ours
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.records.annotations import add_tag, remove_tag

_FINAL = ("acc", "final/loss")
"""Sent once more when the run has got longer: they stand at its last step."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("sqlalchemy", reason="needs a whole mlflow, not mlflow-skinny")
    pytest.importorskip("mlflow.server", reason="needs mlflow")
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as address:
        yield address


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """MLflow's store of files, which needs no server, and keeps twice what it is given twice."""
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return (tmp_path / "mlruns").as_uri()


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "s").dir


def same(found: reading.Found, sweep: Path) -> None:
    """Everything once: the names as MLflow has them, times in milliseconds."""
    wanted = {
        run_id: sorted((ours._name(name), step, int(at * 1000) / 1000, value) for name, step, at, value in rows)
        for run_id, rows in expected(sweep).items()
    }
    killing.assert_same(found, wanted)


def test_in_a_store_of_files_too_all_is_there_once(store: str, sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the export was killed after MLflow took a batch, and before that was noted."""
    send(sweep, "mlflow", store)
    same(reading.of_mlflow(store, "s"), sweep)
    for path in (sweep / ".hyperherd" / "forwarded").rglob("hh-*"):
        path.write_bytes(path.read_bytes()[:83])
    sent = send(sweep, "mlflow", store)
    assert (sent.delivered, sent.already) == (0, 126)
    same(reading.of_mlflow(store, "s"), sweep)


@pytest.mark.slow
def test_all_is_there_once(server: str, sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mlflow import MlflowClient

    add_tag(sweep / "1", "baseline")
    argv = ["export", str(sweep), "--to", "mlflow", "-o", server, "--project", "all"]
    assert main(argv) == 0
    told = capsys.readouterr()
    assert f"'odd (name)' is called {ours._name('odd (name)')!r} there" in told.err
    same(reading.of_mlflow(server, "all"), sweep)
    assert main(argv) == 0
    assert "2 runs: 0 values delivered" in capsys.readouterr().out
    same(reading.of_mlflow(server, "all"), sweep)
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("all").experiment_id
    (run,) = client.search_runs([experiment], "tags.`tag.baseline` = 'true'")
    assert run.data.params == {"lr": "0.2", "hub.token": "<masked>"}
    assert (run.info.status, run.info.start_time, run.info.end_time) == ("FINISHED", START * 1000, (START + 99) * 1000)
    assert run.data.tags["hyperherd.directory"] == str(sweep / "1")
    assert run.data.tags["final.best"] == "a"
    assert SECRET not in repr([one.to_dictionary() for one in client.search_runs([experiment])])
    remove_tag(sweep / "1", "baseline")
    assert main(argv) == 0
    assert not client.search_runs([experiment], "tags.`tag.baseline` = 'true'")


@pytest.mark.slow
def test_killed_at_any_moment(server: str, sweep: Path) -> None:
    killing.check(
        sweep, lambda place: tracker("mlflow", server, place), lambda place: reading.of_mlflow(server, place), 3, seed=2
    )


@pytest.mark.slow
def test_without_its_ledger_mlflow_itself_is_asked(server: str, sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "is_own", lambda path: False)
    send(sweep, "mlflow", server, "other")
    log(sweep / "0", range(20, 25))
    merge(sweep / "0")
    sent = send(sweep, "mlflow", server, "other")
    assert (sent.failed, sent.delivered > 0) == (0, True)
    found = reading.of_mlflow(server, "other")
    killing.assert_whole(
        sweep, {run_id: [row for row in rows if row[0] not in _FINAL] for run_id, rows in found.items()}
    )
    assert not (sweep / ".hyperherd" / "forwarded").exists()


@pytest.mark.slow
def test_a_value_that_is_refused_costs_no_other(server: str, sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "_name", lambda name: name)  # what MLflow refuses is sent as it is
    sent = send(sweep, "mlflow", server, "refused")
    assert sent.failed == 40  # the twenty values of each trial
    found = reading.of_mlflow(server, "refused")
    names = {name for rows in found.values() for name, *_ in rows}
    assert "loss" in names
    assert "odd (name)" not in names


@pytest.mark.slow
def test_a_server_that_is_away(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # bound, and nobody listens
        target: Any = tracker("mlflow", f"http://127.0.0.1:{probe.getsockname()[1]}")
        target._retries = type(target._retries)(())
        sent = forward(load(sweep), target)
    assert sent.delivered == 0
    assert sent.failed == sum(map(len, expected(sweep).values()))


def test_what_mlflow_cannot_open_is_an_error() -> None:
    pytest.importorskip("mlflow")
    with pytest.raises(ResultsError, match="cannot open"):
        tracker("mlflow", "nothing://x")
