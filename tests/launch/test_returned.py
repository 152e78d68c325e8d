"""What becomes of a JobReturn between the job's process and the sweep's."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from hyperherd.launch.returned import RemoteReturn, failed, pickled
from hyperherd.trial.ending import TrialFailed

PLAIN = ("overrides", "working_dir", "task_name", "status")


def job(number: int = 0, value: Any = 1.5, **config: Any) -> JobReturn:
    keys = {f"key{key}": {"value": key, "twice": f"${{key{key}.value}}"} for key in range(50)}
    returned = JobReturn(
        ["a=1"], OmegaConf.create({"number": number, **keys, **config}), OmegaConf.create({"hydra": keys})
    )
    OmegaConf.set_struct(returned.cfg, True)
    returned.working_dir, returned.task_name, returned.status = "/w", "app", JobStatus.COMPLETED
    returned.return_value = value
    return returned


def travelled(returned: JobReturn) -> JobReturn:
    found = pickle.loads(pickled(returned))
    assert isinstance(found, JobReturn)
    return found


def assert_same(found: JobReturn, expected: JobReturn) -> None:
    assert {name: getattr(found, name) for name in PLAIN} == {name: getattr(expected, name) for name in PLAIN}
    assert found.return_value == expected.return_value
    assert (found.cfg, found.hydra_cfg) == (expected.cfg, expected.hydra_cfg)
    assert OmegaConf.is_struct(found.cfg) is OmegaConf.is_struct(expected.cfg)


@pytest.mark.parametrize("again", [lambda found: found, copy.deepcopy, lambda found: pickle.loads(pickle.dumps(found))])
def test_whoever_asks_gets_all_of_it(again: Any) -> None:
    for number in range(3):
        found = again(travelled(job(number)))
        assert_same(found, job(number))
        assert_same(again(found), job(number))
        assert found.cfg is found.cfg


def test_what_is_changed_in_it_stays() -> None:
    found = travelled(job())
    found.cfg.number = 7
    found.hydra_cfg = None
    assert_same(copy.deepcopy(found), found)
    assert (found.cfg.number, found.hydra_cfg) == (7, None)


def test_the_configs_of_many_take_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperherd.launch.returned._first", b"")  # another sweep of this process may have been first
    travelled(job())
    kept = [travelled(job(number)) for number in range(5)]
    assert all(len(pickle.dumps(vars(found))) < 1500 for found in kept)
    assert len(pickle.dumps(job())) > 10_000
    assert [found.cfg.number for found in kept] == [0, 1, 2, 3, 4]


def test_what_cannot_be_pickled_costs_nothing_else() -> None:
    found = travelled(job(value=threading.Lock()))
    assert (found.return_value, found.cfg) == (None, job().cfg)
    odd = job()
    odd.cfg = OmegaConf.create({"lock": threading.Lock()}, flags={"allow_objects": True})
    found = travelled(odd)
    assert (found.return_value, found.cfg, found.hydra_cfg) == (1.5, None, None)


def test_an_error_travels() -> None:
    found = travelled(failed(["a=1"], ValueError("x")))
    assert isinstance(found, RemoteReturn)
    assert (found.status, found.cfg) == (JobStatus.FAILED, None)
    with pytest.raises(ValueError, match=r"^x$"):
        _ = found.return_value
    unpicklable = ValueError("y")
    unpicklable.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(TrialFailed, match="ValueError: y"):
        _ = travelled(failed([], unpicklable)).return_value
