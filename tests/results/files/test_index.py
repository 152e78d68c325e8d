from __future__ import annotations

import math
import os
import pickle
import shutil
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from results.builder import SweepBuilder, stats

from hyperherd import Trials, load
from hyperherd.masking import MASK
from hyperherd.paths import SweepPaths
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import write_planned
from hyperherd.results.files.discover import discover
from hyperherd.results.files.index.block import blocks_of
from hyperherd.results.files.index.index import SMALLEST, Index
from hyperherd.results.files.index.index import _write as write_blocks
from hyperherd.results.loading.indexed_trial import IndexedTrial
from hyperherd.results.tables.records import json_pieces, jsonl_pieces, to_json
from hyperherd.results.trials.settings import settings_of

OLD = 1_700_000_000


def settle(sweep: SweepBuilder) -> None:
    """Make all files look as if they had been written long ago."""
    for path in [*sweep.dir.rglob("trial.json"), SweepPaths(sweep.dir).trials]:
        os.utime(path, (OLD, OLD))


def page(sweep: SweepBuilder) -> str:
    return to_json(load(sweep.dir))


def stored(sweep: SweepBuilder) -> int:
    """Return how many trials the index has, and read the sweep."""
    found = sum(place.stored is not None for place in discover([sweep.dir]).places)
    load(sweep.dir)
    return found


def from_files(sweep: SweepBuilder) -> Trials:
    """Return the trials as they are without an index."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hyperherd.results.loading.load.SMALLEST", 10**9)
        patch.setattr("hyperherd.results.files.discover.Index.read", lambda _: Index())
        return load(sweep.dir)


@pytest.fixture
def many(sweep: SweepBuilder) -> SweepBuilder:
    """A finished sweep that has an index."""
    for number in range(SMALLEST + 5):
        params = {"lr": number / 7, "seed": number % 3, "model": "cnn"}
        metrics = {"val/acc": stats(number / 1000, max=0.5), "lr": 1.0}
        objective = {"metric": "val/acc", "best": 1.0, "best_step": 2, "at_best": {}, "curve": [[0, 1.0]]}
        odd = {"pruned": number == 7}
        final = {"test/acc": math.nan if number == 3 else 0.5, "note": "é"} if number % 2 else {}
        state = TrialState.PRUNED if odd["pruned"] else TrialState.COMPLETED
        phases = {"phases": {"": {"lr": stats(1.0)}, "test": {"lr": stats(number / 7)}}} if number % 2 else {}
        told = {"params": params, "objective": objective, "step": 2, "job_id": f"7_{number}"}
        sweep.trial(metrics, final, state=state, **told, **phases)
    settle(sweep)
    load(sweep.dir)
    assert SweepPaths(sweep.dir).index.is_file()
    return sweep


def test_it_knows_phases(many: SweepBuilder) -> None:
    one, other = load(many.dir)[7], load(many.dir)[8]
    assert type(one) is IndexedTrial
    assert (one.phase_names, other.phase_names) == ({"": ("lr",), "test": ("lr",)}, {})
    assert (one.value("lr:test"), one.value("lr"), other.value("lr:test")) == (1.0, 1.0, None)


def test_it_tells_what_the_files_tell(many: SweepBuilder) -> None:
    assert stored(many) == SMALLEST + 5
    with_index = page(many)
    plain = from_files(many)
    assert not any(isinstance(trial, IndexedTrial) for trial in plain)
    assert to_json(plain) == with_index
    SweepPaths(many.dir).index.unlink()
    SweepPaths(many.dir).index.mkdir()  # So that none can be written.
    assert page(many) == with_index
    assert stored(many) == 0


def test_it_is_what_is_read(many: SweepBuilder) -> None:
    index = SweepPaths(many.dir).index
    index.write_bytes(sealed(index.read_bytes().replace(b'"cnn"', b'"cmm"')))
    assert load(many.dir).constant == {"model": "cmm"}


def sealed(data: bytes) -> bytes:
    """Return an index that somebody changed with the checksum of what it is now."""
    start = len(b"HyperHerd index\n")
    sizes = [int.from_bytes(data[start + 8 * place : start + 8 * place + 8], "little") for place in range(2)]
    end = start + 24 + sum(sizes)
    return data[: start + 16] + zlib.crc32(data[start + 24 : end]).to_bytes(8, "little") + data[start + 24 :]


def replaced(sweep: SweepBuilder) -> None:
    record = sweep.file(5).read_text().replace('"test/acc": 0.5', '"test/acc": 0.7')
    temporary = sweep.file(5).with_name("x")
    temporary.write_text(record)
    os.utime(temporary, (OLD, OLD))  # The same size and time: the inode is another.
    temporary.replace(sweep.file(5))


def rewritten(sweep: SweepBuilder) -> None:
    sweep.file(5).write_text(sweep.file(5).read_text().replace('"test/acc": 0.5', '"test/acc": 0.7'))


def running_again(sweep: SweepBuilder) -> None:
    sweep.file(5).write_text(sweep.file(5).read_text().replace('"completed"', '"failed"'))


def gone(sweep: SweepBuilder) -> None:
    sweep.file(5).unlink()


def moved(sweep: SweepBuilder) -> None:
    (sweep.dir / "5").rename(sweep.dir / "five")


def swapped(sweep: SweepBuilder) -> None:
    (sweep.dir / "5").rename(sweep.dir / "x")
    (sweep.dir / "6").rename(sweep.dir / "5")
    (sweep.dir / "x").rename(sweep.dir / "6")


def planned(sweep: SweepBuilder) -> None:
    sweep.plan(lr=100.0)


def unplanned(sweep: SweepBuilder) -> None:
    write_planned(sweep.dir, sweep.planned[:-1])


def added(sweep: SweepBuilder) -> None:
    sweep.failed(params={"lr": 100.0})


def broken_plan(sweep: SweepBuilder) -> None:
    SweepPaths(sweep.dir).trials.write_text('{"number": 1}\n')


def another_objective(sweep: SweepBuilder) -> None:
    path = SweepPaths(sweep.dir).sweep
    path.write_text(path.read_text().replace("maximize", "minimize"))


@pytest.mark.parametrize(
    "change",
    [
        *[replaced, rewritten, running_again, gone, moved, swapped, planned, unplanned, added, broken_plan],
        another_objective,
    ],
)
def test_whatever_changes_shows(many: SweepBuilder, change: Callable[[SweepBuilder], None]) -> None:
    before = page(many)
    change(many)
    shown = [page(many), page(many)]
    assert shown[0] != before or change is unplanned
    SweepPaths(many.dir).index.unlink()
    assert shown == [page(many)] * 2


def test_what_has_just_been_written_is_not_kept(many: SweepBuilder) -> None:
    SweepPaths(many.dir).index.unlink()
    os.utime(many.file(5))
    assert "5" not in Index.read(many.dir).rows
    load(many.dir)
    rows = Index.read(many.dir).rows
    assert "5" not in rows
    assert len(rows) == SMALLEST + 4


def test_only_what_is_done_is_kept(many: SweepBuilder) -> None:
    SweepPaths(many.dir).index.unlink()
    many.failed()
    many.running()
    many.plan(lr=3)
    settle(many)
    load(many.dir)
    index = Index.read(many.dir)
    assert len(index.rows) == SMALLEST + 5
    assert index.planned is None


def test_what_it_cannot_hold_is_read_again(many: SweepBuilder) -> None:
    SweepPaths(many.dir).index.unlink()
    many.trial(final={"n": 2**70, "text": "\udc80"}, params={"big": -(2**64)})
    settle(many)
    for _ in range(2):
        trial = load(many.dir)[-1]
        assert (trial.final, trial.params) == ({"n": 2**70, "text": "\udc80"}, {"big": -(2**64)})
    assert stored(many) == SMALLEST + 5


def test_small_sweeps_have_none(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 0.5})
    settle(sweep)
    load(sweep.dir)
    assert not SweepPaths(sweep.dir).index.exists()


def changed(index: Path, old: bytes, new: bytes, *, checked: bool = True) -> None:
    """Change an index; with `checked` so that its checksum does not tell."""
    data = index.read_bytes()
    assert old in data
    found = data.replace(old, new + b" " * (len(old) - len(new)), 1)
    index.write_bytes(sealed(found) if checked else found)


def other_entries(index: Path, **values: Any) -> None:
    """Write an index of the same trials in which all have other values."""
    sweep_dir = index.parent.parent
    blocks = blocks_of([row.entry()._replace(**values) for row in Index.read(sweep_dir).rows.values()])
    with index.open("wb") as stream:
        write_blocks(stream, blocks, None)


def facts(*, number: Any = 0, state: str = "completed", key: Any = "k", started: Any = 1.0, step: Any = 1) -> list[Any]:
    return [number, state, key, started, 1.0, 1.0, 0, step, 1, 1.0]


def test_a_broken_index_is_none_and_is_made_anew(many: SweepBuilder) -> None:
    index, expected = SweepPaths(many.dir).index, page(many)
    whole = index.read_bytes()
    changes: list[Callable[[], object]] = [
        *(partial(index.write_bytes, whole[:size]) for size in (0, 20, 300, len(whole) - 100)),
        partial(index.write_bytes, whole[:200] + bytes(len(whole) - 200)),
        partial(changed, index, b'"cnn"', b'"cmm"', checked=False),
        *(
            partial(changed, index, old, new)
            for old, new in [
                (b'"format":7', b'"format":8'),
                (b'"hyperherd":"', b'"hyperher_":"'),
                (b'"shapes":[[', b'"shapes":[7'),
                (b'"count":5', b'"count":9'),
                (b'"kinds":["j"', b'"kinds":["q"'),
                (b'"completed"', b'"waiting"'),
            ]
        ),
        *(
            partial(other_entries, index, **values)
            for values in [
                *({"facts": some} for some in (facts(key=7), facts(started=-1.0), facts(started=math.nan))),
                *({"facts": some} for some in (facts(step="1"), facts(number=0.5), facts(state="no state"))),
                *({"params": [1]}, {"statistics": []}, {"statistics": ["x"] * 16}, {"others": ["x"]}),
                *({"place": "\0"}, {"signature": (1, 2, 3.0)}),
            ]
        ),
    ]
    for change in changes:
        index.write_bytes(whole)
        change()
        assert not Index.read(many.dir).rows, change
        assert page(many) == expected
        assert stored(many) == SMALLEST + 5
    odd = (b'{"phases": {"": 7}}', b'{"stop_reason": 7}', b'{"resources": [7]}')
    for rest in (b"", b"[]", b'{"name": 7}', b"{", *odd):
        other_entries(index, rest=rest)
        assert page(many) == expected


def test_what_has_been_loaded_stays_of_one_version(many: SweepBuilder) -> None:
    index, expected = SweepPaths(many.dir).index, page(many)
    trials = load(many.dir)
    entries = [row.entry()._replace(rest=b'{"host":"another"}') for row in Index.read(many.dir).rows.values()]
    Index().write(many.dir, [], blocks_of(entries), None)
    assert load(many.dir)[0].host == "another"
    index.unlink()
    assert to_json(trials) == expected


def test_an_earlier_version_s_index_is_removed_and_a_file_of_another_kind_is_not(many: SweepBuilder) -> None:
    earlier = SweepPaths(many.dir).records / "index.json"
    for content, stays in [(b'{"format":5,"hyperherd":"1"}', False), (b"mine", True)]:
        earlier.write_bytes(content)
        SweepPaths(many.dir).index.unlink()
        load(many.dir)
        assert earlier.exists() == stays


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_is_closed_to_us(many: SweepBuilder) -> None:
    expected = page(many)
    SweepPaths(many.dir).index.unlink()
    folder = SweepPaths(many.dir).records
    folder.chmod(0o555)
    try:
        assert page(many) == expected
    finally:
        folder.chmod(0o755)


def test_a_sweep_under_two_names_is_one(many: SweepBuilder, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(many.dir)
    assert len(load(many.dir, tmp_path / "link", many.dir / "5")) == SMALLEST + 5
    assert len(load(tmp_path)) == SMALLEST + 5


def test_trials_in_folders_of_folders(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    for number in range(SMALLEST):
        record = sweep.trial({"val/acc": number / 1000}, params={"lr": number})
        deep = sweep.dir / f"lr={number % 7}" / f"{record.number}"
        deep.parent.mkdir(exist_ok=True)
        (sweep.dir / str(number)).rename(deep)
    settle(sweep)
    before = page(sweep)
    assert stored(sweep) == SMALLEST
    assert page(sweep) == before
    assert [trial.number for trial in load(sweep.dir)] == list(range(SMALLEST))


def test_several_sweeps_have_an_index_each(many: SweepBuilder, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(many.dir, other)
    for path in other.rglob("trial.json"):
        os.utime(path, (OLD, OLD))
    load(many.dir, other)
    trials = load(many.dir, other, tmp_path)
    assert len(trials) == 2 * (SMALLEST + 5)
    assert all(isinstance(trial, IndexedTrial) for trial in trials)
    assert len(load(many.dir) + load(other) + trials) == len(trials)


@pytest.mark.parametrize("content", ["{}", "mine", '{"format": 1}'])
def test_a_file_of_another_kind_is_not_replaced(many: SweepBuilder, content: str) -> None:
    SweepPaths(many.dir).index.write_text(content)
    assert stored(many) == 0
    assert SweepPaths(many.dir).index.read_text() == content


def test_a_link_in_its_place_is_not_written_through(many: SweepBuilder, tmp_path: Path) -> None:
    index = SweepPaths(many.dir).index
    shutil.move(index, tmp_path / "index.bin")
    index.symlink_to(tmp_path / "index.bin")
    before = (tmp_path / "index.bin").stat().st_mtime_ns
    many.trial({"val/acc": 1.0})
    settle(many)
    assert stored(many) == 0
    assert (tmp_path / "index.bin").stat().st_mtime_ns == before
    assert index.is_symlink()


def test_none_is_written_in_the_folder_of_another_user(many: SweepBuilder, nobody: int) -> None:
    SweepPaths(many.dir).index.unlink()
    os.chown(many.dir, nobody, -1)
    assert len(load(many.dir)) == SMALLEST + 5
    assert not SweepPaths(many.dir).index.exists()


def test_statistics_of_indexed_trials_read_none_of_their_files(
    many: SweepBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = load(many.dir)
    assert all(isinstance(trial, IndexedTrial) for trial in trials)

    def refuse(*_: Any) -> None:
        raise AssertionError("a file of a trial is read")

    monkeypatch.setattr("hyperherd.results.loading.indexed_trial.read_record", refuse)
    monkeypatch.setattr("hyperherd.results.files.trial_dir.read_config", refuse)
    assert trials.effects().trials == SMALLEST + 4
    assert trials.failures().total == SMALLEST + 5
    assert trials.best().number == SMALLEST + 4


def test_what_an_override_fixed_is_a_setting_with_an_index_and_without(sweep: SweepBuilder) -> None:
    for number in range(SMALLEST):
        record = sweep.trial({"val/acc": 0.5}, params={"lr": number})
        fixed = (*record.overrides, "+width=3", "api_key=abc", "hydra.job.name=x", "~db")
        record.with_(overrides=fixed).write(sweep.dir / str(number), durable=False)
    settle(sweep)
    read = from_files(sweep)
    load(sweep.dir)
    indexed = load(sweep.dir)
    assert [type(trials[0]) is IndexedTrial for trials in (read, indexed)] == [False, True]
    expected = {"lr": 5, "width": 3, "api_key": MASK}
    assert [settings_of(trials, trials[5]) for trials in (read, indexed)] == [expected] * 2
    assert b"abc" not in SweepPaths(sweep.dir).index.read_bytes()


def test_json_lets_go_of_what_it_read(many: SweepBuilder) -> None:
    trials = load(many.dir)
    first = next(iter(pieces := json_pieces(trials)))
    assert "".join([first, *pieces]) == page(many)
    assert "".join(jsonl_pieces(trials)).count("\n") == len(trials)
    assert not any("_record" in vars(trial) or "objective" in vars(trial) for trial in trials)


def test_a_trial_takes_what_the_index_has_of_it_along_and_no_more(many: SweepBuilder) -> None:
    trials = load(many.dir)
    data = pickle.dumps(list(trials[3:5]))
    assert len(data) < 10_000
    SweepPaths(many.dir).index.unlink()
    assert to_json(Trials(pickle.loads(data), trials.objective)) == to_json(trials[3:5])


def test_a_pruned_trial_keeps_its_reason_and_may_be_continued(sweep: SweepBuilder) -> None:
    for number in range(SMALLEST + 1):
        ended = {"state": TrialState.PRUNED, "stop_reason": "rung 5", "beats": 4} if number == 3 else {}
        sweep.trial({"val/acc": 0.5}, params={"lr": number}, **ended)
    settle(sweep)
    for _ in range(2):
        trial = load(sweep.dir)[3]
        assert (trial.state, trial.reason) == (TrialState.PRUNED, "rung 5")
    assert stored(sweep) == SMALLEST + 1
    sweep.event(3, "continued", beats=4)
    for _ in range(2):
        assert load(sweep.dir)[3].state is TrialState.WAITING
    SweepPaths(sweep.dir).index.unlink()
    for _ in range(2):  # nor is it kept that it was pruned once
        assert load(sweep.dir)[3].state is TrialState.WAITING
    assert stored(sweep) == SMALLEST
