"""JSONL into a trial: every row once, in every form, whatever interrupted an earlier import."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from forward.sweeps import write_sweep

from hyperherd import load
from hyperherd.cli.main import main
from hyperherd.errors import NothingFound, ResultsError
from hyperherd.forward import import_metrics
from hyperherd.forward.importing import Imported


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "s", steps=3).dir / "0"


def rows(trial: Path, metric: str) -> list[tuple[int, float]]:
    table = load(trial)[0].history(metric)
    return list(zip(table["step"].to_pylist(), table["value"].to_pylist(), strict=True))


def write(path: Path, *lines: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as stream:
        stream.writelines(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
    return path


def test_all_forms_and_what_is_none(tmp_path: Path, trial: Path) -> None:
    nested = {"ts": 1700000000.5, "step": 1, "metrics": {"a": 1.5, "b": 2}}
    flat = {"step": 2, "a": 2.5, "word": "x"}
    one = {"step": 3, "value": 0.25, "ts": 1700000001.0}
    broken = ["{torn\n", '{"a": 1}\n', '{"step": 4, "word": "x"}\n', '{"step": 5, "metrics": {"a": "x", "b": 3}}\n']
    path = write(tmp_path / "mine.jsonl", nested, flat, one, *broken, '{"step": 6, "a"')
    found = import_metrics(path, trial)
    assert found.rows == 4
    assert found.malformed == {
        "not a JSON object": 1,
        "no whole number as step or epoch": 1,
        "no number": 1,
        "a metric that is not a number": 1,
        "a last line without its end": 1,
    }
    assert rows(trial, "a") == [(1, 1.5), (2, 2.5)]
    assert rows(trial, "b") == [(1, 2.0), (5, 3.0)]
    assert rows(trial, "mine") == [(3, 0.25)]
    assert load(trial)[0].value("mine") == 0.25
    assert load(trial)[0].history("a")["time"][0].as_py().timestamp() == 1700000000.5


def test_again_adds_nothing_and_what_has_grown_its_new_rows(tmp_path: Path, trial: Path) -> None:
    path = write(tmp_path / "m.jsonl", *({"step": step, "a": step} for step in range(3)), '{"step": 3, "a": 3')
    assert import_metrics(path, trial).rows == 3
    assert import_metrics(path, load(trial)[0]) == Imported(0, 3, {"a last line without its end": 1}, 1)
    write(path, "}\n", {"step": 4, "a": 4})
    assert import_metrics(path, trial) == Imported(2, 3, {}, 1)
    assert import_metrics(path.rename(tmp_path / "moved.jsonl"), trial) == Imported(0, 5, {}, 1)
    beginning = write(tmp_path / "beginning.jsonl", {"step": 0, "a": 0}, {"step": 1, "a": 1})
    assert import_metrics(beginning, trial).already == 2
    other = write(tmp_path / "other.jsonl", {"step": 0, "a": 0}, {"step": 1, "a": 9})
    assert import_metrics(other, trial).rows == 2
    assert rows(trial, "a") == [(0, 0.0), (1, 9.0), (2, 2.0), (3, 3.0), (4, 4.0)]
    assert len(load(trial)[0].history("a")) == 5


def test_a_folder_prefers_its_logs_and_may_hold_a_file_for_each_metric(tmp_path: Path, trial: Path) -> None:
    write(tmp_path / "run" / "metrics.jsonl", {"step": 0, "worse": 1})
    write(tmp_path / "run" / "logs" / "metrics.jsonl", {"step": 0, "better": 1})
    assert import_metrics(tmp_path / "run", trial).rows == 1
    assert rows(trial, "better")
    stream = tmp_path / "results" / "3" / "stream"
    write(stream / "val_loss.jsonl", {"step": 0, "value": 0.5, "ts": 1.0}, {"step": 1, "value": 0.25, "ts": 2.0})
    write(stream / "val" / "acc.jsonl", {"step": 0, "value": 0.5, "ts": 1.0})
    assert import_metrics(stream.parent, trial) == Imported(3, 0, {}, 2)
    assert rows(trial, "val_loss") == [(0, 0.5), (1, 0.25)]
    assert rows(trial, "val/acc") == [(0, 0.5)]
    with pytest.raises(NothingFound, match="neither"):
        import_metrics(write(tmp_path / "empty" / "x", "").parent, trial)


@pytest.mark.parametrize("place", ["metrics.jsonl", "logs/metrics.jsonl", ".hyperherd/metrics/mine.jsonl"])
def test_what_is_read_in_place_is_refused(trial: Path, place: str) -> None:
    path = write(trial / place, {"step": 0, "a": 1})
    with pytest.raises(ResultsError, match="is read where it is"):
        import_metrics(path, trial)
    assert len(rows(trial, "a")) == 1
    link = trial.parent / "link.jsonl"
    link.symlink_to(path)
    with pytest.raises(ResultsError, match="is read where it is"):
        import_metrics(link, trial)


def test_another_file_in_the_trial_is_refused_with_where_it_would_be_read(trial: Path) -> None:
    path = write(trial / "out" / "log.jsonl", {"step": 0, "a": 1})
    with pytest.raises(ResultsError, match=r"lies in the trial.*move it"):
        import_metrics(path, trial)


def test_what_has_been_imported_outlives_compact_and_the_index(tmp_path: Path, trial: Path) -> None:
    path = write(tmp_path / "m.jsonl", {"step": 0, "a": 1})
    assert len(load(trial.parent)) == 2  # the index knows the trial without it
    import_metrics(path, trial)
    assert load(trial.parent)[0].value("a") == 1.0
    assert main(["compact", str(trial.parent), "--delete"]) == 0
    assert load(trial.parent)[0].value("a") == 1.0
    assert import_metrics(path, trial).already == 1


def test_a_job_of_hydra_alone_takes_it(tmp_path: Path) -> None:
    job = tmp_path / "outputs" / "1"
    write(job / ".hydra" / "config.yaml", "lr: 0.1\n")
    write(job / ".hydra" / "overrides.yaml", "[]\n")
    import_metrics(write(tmp_path / "m.jsonl", {"step": 0, "a": 1}), job)
    assert rows(job, "a") == [(0, 1.0)]


def test_killed_at_any_moment_each_row_is_there_once(
    tmp_path: Path, trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "m.jsonl", *({"step": step, "a": step} for step in range(50)))
    for operation in ("fsync", "link", "unlink"):
        child = os.fork()
        if not child:
            monkeypatch.setattr(os, operation, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            import_metrics(path, trial)
            os._exit(0)
        os.waitpid(child, 0)
        assert len(rows(trial, "a")) in (0, 50)
    found = import_metrics(path, trial)
    assert found.rows + found.already == 50
    assert len(rows(trial, "a")) == 50
    assert [one.name for one in (trial / ".hyperherd/metrics/imported").iterdir() if one.suffix == ".tmp"] == []


def test_two_at_once_without_locks_add_each_row_once(
    tmp_path: Path, trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other import comes between the look and the write, as on a file system that has no locks."""
    path = write(tmp_path / "m.jsonl", *({"step": step, "a": step} for step in range(3)))
    from hyperherd.forward import importing

    real, done = importing._write, []

    def first_another(place: Path, lines: object) -> int:
        if not done:
            done.append(True)
            child = os.fork()
            if not child:
                importing._import(importing.JsonRows(path, "m"), place.parent)
                os._exit(0)
            os.waitpid(child, 0)
        return real(place, lines)

    monkeypatch.setattr(importing, "_write", first_another)
    assert import_metrics(path, trial) == Imported(0, 3, {}, 1)
    assert len(load(trial)[0].history("a")) == 3


def test_the_command(tmp_path: Path, trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "m.jsonl", {"step": 0, "a": 1}, "{torn\n")
    assert main(["import", str(path), str(trial.parent), "0"]) == 0
    assert capsys.readouterr().err == (
        "herd-results: trial 0: 1 row added, 0 there already\nherd-results: not a JSON object: 1 line\n"
    )
    assert main(["import", str(path), str(trial)]) == 0
    assert "0 rows added, 1 there already" in capsys.readouterr().err
    assert main(["import", str(write(tmp_path / "none.jsonl", "{torn\n")), str(trial)]) == 1
    assert main(["import", str(tmp_path / "missing.jsonl"), str(trial)]) == 3
    assert main(["import", str(path), str(trial.parent), "77"]) == 3
