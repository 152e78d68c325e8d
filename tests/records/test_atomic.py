from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import pytest

from hyperherd.records.disk.atomic import FileOps, replace
from hyperherd.records.disk.files import replace_bytes


class Recording(FileOps):
    """Does each operation and notes it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def create(self, path: Path, mode: int) -> BinaryIO:
        self.done.append("create")
        return super().create(path, mode)

    def sync(self, stream: BinaryIO) -> None:
        self.done.append("sync")
        super().sync(stream)

    def rename(self, source: Path, target: Path) -> None:
        self.done.append("rename")
        super().rename(source, target)

    def sync_folder(self, folder: Path) -> None:
        self.done.append(f"sync {folder.name}")
        super().sync_folder(folder)


def test_the_content_is_on_the_disk_before_its_name_and_the_name_before_it_returns(tmp_path: Path) -> None:
    files = Recording()
    replace(tmp_path / "a", lambda stream: stream.write(b"1"), files)
    assert files.done == ["create", "sync", "rename", f"sync {tmp_path.name}"]
    files.done.clear()
    replace(tmp_path / "a", lambda stream: stream.write(b"2"), files, durable=False)
    assert files.done == ["create", "rename"]
    assert (tmp_path / "a").read_bytes() == b"2"


@pytest.mark.parametrize("interruption", [OSError, KeyboardInterrupt, ValueError])
def test_an_interrupted_replacement_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    (tmp_path / "a").write_text("old")

    def write(stream: BinaryIO) -> None:
        stream.write(b"half")
        raise interruption

    with pytest.raises(interruption):
        replace(tmp_path / "a", write)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


def test_a_folder_that_cannot_be_synced_is_no_reason_to_fail(tmp_path: Path) -> None:
    FileOps().sync_folder(Path("/proc/self"))  # a file system that refuses it, as network file systems may
    with pytest.raises(FileNotFoundError):
        FileOps().sync_folder(tmp_path / "missing")


def test_a_missing_folder_is_made_for_a_record(tmp_path: Path) -> None:
    replace_bytes(tmp_path / "new" / "a", b"x")
    assert (tmp_path / "new" / "a").read_bytes() == b"x"
