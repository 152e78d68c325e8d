from __future__ import annotations

import grp
import os
import pwd
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import App

from hyperherd.metrics.consolidate.compact import compact
from hyperherd.metrics.consolidate.roll import make_part
from hyperherd.metrics.writer import MetricWriter
from hyperherd.records.disk import ownership
from hyperherd.records.disk.files import create, replace_json
from hyperherd.records.disk.ownership import NotTrusted, check_trusted, distrust, is_own, make_folder, share_folders
from hyperherd.records.events import Event, EventLog


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def user(uid: int) -> Iterator[None]:
    """Be another user while the block runs."""
    ownership._is_private.cache_clear()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        ownership._is_private.cache_clear()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach; those of pytest are closed."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_what_only_this_user_can_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert distrust(tmp_path) == ""
    assert is_own(tmp_path)
    check_trusted([tmp_path, tmp_path / "missing"])


def test_what_everybody_can_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o757)
    with pytest.raises(NotTrusted, match=r"(?s)everybody can write to .* \(mode 0757\).*pass --shared") as raised:
        check_trusted([tmp_path], "--shared")
    assert pwd.getpwuid(os.geteuid()).pw_name in str(raised.value)


def test_a_group_of_others_and_one_of_this_user_alone(tmp_path: Path, nobody: int) -> None:
    group = next((one for one in grp.getgrall() if set(one.gr_mem) - {"root"}), None)
    tmp_path.chmod(0o775)
    assert distrust(tmp_path) == "", "the group of root has no other member"
    os.chown(tmp_path, -1, pwd.getpwuid(nobody).pw_gid)
    assert "the group" in distrust(tmp_path)
    if group is not None:
        os.chown(tmp_path, -1, group.gr_gid)
        ownership._is_private.cache_clear()
        assert group.gr_name in distrust(tmp_path)


def test_what_belongs_to_others(open_folder: Path, nobody: int) -> None:
    theirs, roots = open_folder / "theirs", open_folder / "roots"
    theirs.mkdir()
    roots.mkdir()
    os.chown(theirs, nobody, -1)
    assert "belongs to nobody (mode 0755)" in distrust(theirs)
    with user(nobody):
        assert distrust(theirs) == ""
        assert distrust(roots) == ""
        assert "belongs to root" in distrust(roots, or_root=False)
        assert not is_own(roots)


@pytest.mark.parametrize("shared", [False, True])
def test_who_can_write_what_we_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool) -> None:
    monkeypatch.setenv(ownership.VARIABLE, "")
    share_folders(shared)
    with umask(0o002):
        make_folder(tmp_path / "a/b")
        replace_json(tmp_path / "a/c/x.json", {})
        create(tmp_path / "a/d/y.json", {})
        EventLog(tmp_path / "a").write([Event("submitting", 0, 0)])
    folders = [path for path in (tmp_path / "a").rglob("*") if path.is_dir()]
    files = [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert (len(folders), len(files)) == (5, 3)
    assert {mode(path) for path in [tmp_path / "a", *folders]} == {0o775 if shared else 0o755}
    assert {mode(path) for path in files} == {0o664 if shared else 0o644}
    monkeypatch.delenv(ownership.VARIABLE, raising=False)


def test_records_of_a_trial_are_its_users_alone(app: App) -> None:
    """Journals while it runs, and everything that is left when it has ended, with a umask that lets the group write."""
    app.write(
        """
        import numpy as np, hyperherd
        hyperherd.log_result("acc", cfg.lr, step=1)
        hyperherd.log_array("a", np.zeros(2))
        from pathlib import Path
        records = Path(HydraConfig.get().runtime.output_dir) / ".hyperherd"
        print("open to others:", [str(path) for path in records.rglob("*") if path.stat().st_mode & 0o022])
        print("journals:", len(list(records.glob("metrics/journal-*"))))
        """
    )
    with umask(0o002):
        sweep = app.sweep("lr=0.1")
        compact(sweep.dir)
    log = (sweep.dir / "0/.hyperherd/logs/attempt-0.out").read_text()
    assert "open to others: []" in log
    assert "journals: 1" in log
    trial = sweep.dir / "0"
    records = [path for folder in (sweep.dir, trial) for path in (folder / ".hyperherd").rglob("*")]
    assert {path.name for path in records} >= {"trial.json", "summary.json", "attempt-0.err", "final.npy", "0"}
    assert [path for path in (*records, trial / "metrics.parquet") if path.stat().st_mode & 0o022] == []


def test_a_part_of_metrics_is_its_users_alone(tmp_path: Path) -> None:
    with umask(0o002):
        writer = MetricWriter(tmp_path, 0)
        writer.log({"m": 1.0}, 0)
        writer.close()
        (journal,) = (tmp_path / ".hyperherd/metrics").iterdir()
        part = journal.with_name(make_part(journal.parent, [journal.name], 0))
    assert mode(part) == 0o644
