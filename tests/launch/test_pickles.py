from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from hyperherd.errors import SweepError
from hyperherd.launch.cluster.job import JobPayload
from hyperherd.launch.pickles import keep_private, load_pickle, make_private
from hyperherd.records.disk.ownership import NotTrusted


class Runs:
    """Unpickling it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    folder = tmp_path / "pickles"
    make_private(folder)
    (folder / "a.pkl").write_bytes(pickle.dumps(Runs(tmp_path / "ran")))
    return folder / "a.pkl"


def refused(path: Path) -> bool:
    with pytest.raises(NotTrusted, match="could run another user's code"):
        load_pickle(path, tuple)
    return not (path.parent.parent / "ran").exists()


def test_only_what_nobody_else_can_write_is_loaded(hostile: Path) -> None:
    hostile.chmod(0o602)
    assert refused(hostile)
    hostile.chmod(0o600)
    hostile.parent.chmod(0o707)
    assert refused(hostile)


def test_only_what_is_ones_own_is_loaded(hostile: Path, nobody: int) -> None:
    os.chown(hostile, nobody, -1)
    assert refused(hostile)
    os.chown(hostile, 0, -1)
    os.chown(hostile.parent, nobody, -1)
    assert refused(hostile)


def test_a_link_is_not_followed(hostile: Path) -> None:
    link = hostile.with_name("link.pkl")
    link.symlink_to(hostile)
    with pytest.raises(OSError, match="symbolic link"):
        load_pickle(link, tuple)


def test_the_type_is_compared(hostile: Path) -> None:
    hostile.write_bytes(pickle.dumps(("error", "trace")))
    assert load_pickle(hostile, tuple) == ("error", "trace")
    with pytest.raises(TypeError, match="contains an object of tuple, not of dict"):
        load_pickle(hostile, dict)


def test_what_jobs_have_in_common_bears_its_hash(hostile: Path) -> None:
    work = hostile.rename(hostile.with_name("work-0123456789abcdef.pkl"))
    with pytest.raises(SweepError, match="its content does not match the hash in its name"):
        JobPayload.load(work)
    assert not (work.parent.parent / "ran").exists()


def test_others_are_kept_out_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        make_private(tmp_path / "s/.hyperherd/submitit")
        users = tmp_path / "logs"
        users.mkdir(0o755)
        make_private(users)
        (users / "job.sh").touch()
    finally:
        os.umask(before)
    keep_private([users / "job.sh", users / "missing"])
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "s/.hyperherd/submitit", users, users / "job.sh")]
    assert modes == [0o700, 0o755, 0o600]
    users.chmod(0o757)
    with pytest.raises(NotTrusted, match="could replace the code of jobs there"):
        make_private(users)
