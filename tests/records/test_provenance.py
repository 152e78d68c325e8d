"""What is recorded of the code, the packages and the machine, whatever state these are in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import App
from frozen_projects import commit, lines_of

from hyperherd.records import code as code_of
from hyperherd.records import snapshot as snapshots
from hyperherd.records.provenance import git
from hyperherd.records.provenance.git import GitState, git_state, inherited
from hyperherd.records.provenance.packages import imported_versions
from hyperherd.records.provenance.record import provenance
from hyperherd.records.snapshot import Snapshot
from hyperherd.trial.system import machine, usage


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(code_of, "_seen", {})
    git_state.cache_clear()
    yield
    git_state.cache_clear()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("lr = 1\n")
    commit(tmp_path)
    return tmp_path


def run(folder: Path, *arguments: str) -> str:
    options = ["-c", "protocol.file.allow=always", "-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(
        ["git", "-C", str(folder), *options, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def state_of(folder: Path) -> GitState:
    git_state.cache_clear()
    found = git_state(str(folder))
    assert found is not None
    return found


def test_git_tells_commit_branch_remote_and_changes(project: Path) -> None:
    run(project, "branch", "-m", "main")
    assert state_of(project).facts == {
        "commit": run(project, "rev-parse", "HEAD"),
        "branch": "main",
        "dirty": False,
        "remote": None,
        "submodules": {},
        "diff": None,
    }
    run(project, "remote", "add", "origin", "https://me:hunter2@example.org/x.git")
    run(project, "checkout", "-q", "--detach")
    (project / "train.py").write_text("lr = 2\npassword = 'hunter2'\n")
    (project / "binary").write_bytes(bytes(range(256)) * 9)
    run(project, "add", "binary")
    state = state_of(project)
    assert (state.facts["branch"], state.facts["dirty"]) == (None, True)
    assert state.facts["remote"] == "https://me:<masked>@example.org/x.git"
    assert b"+lr = 2\n+password = <masked>\n" in state.diff
    assert b"Binary files /dev/null and b/binary differ" in state.diff
    state.keep_diff(project / "s")
    [kept] = (project / "s/.hyperherd/diffs").iterdir()
    assert kept.name == f"{state.facts['diff']['hash']}.diff"
    assert kept.read_bytes() == state.diff


def test_a_huge_diff_is_cut(project: Path) -> None:
    (project / "train.py").write_text("password = 'hunter2'\n" * 100_000)
    state = state_of(project)
    assert state.facts["diff"]["whole"] is False
    assert len(state.diff) <= 1 << 20
    assert state.diff.endswith(b"\n+password = <masked>\n")
    assert b"hunter" not in state.diff


def test_submodules_have_the_commit_that_is_wanted_and_whether_they_have_it(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "lib.py").touch()
    commit(other)
    run(project, "submodule", "add", "-q", str(other), "lib")
    run(project, "commit", "-qam", "sub")
    wanted = run(other, "rev-parse", "HEAD")
    assert state_of(project).facts["submodules"] == {"lib": {"commit": wanted, "dirty": False}}
    (project / "lib/lib.py").write_text("edited")
    assert state_of(project).facts["submodules"] == {"lib": {"commit": wanted, "dirty": True}}


def test_no_repository_a_broken_one_and_no_git_are_no_obstacle(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert git_state(str(tmp_path_factory.mktemp("plain"))) is None
    (project / ".git/HEAD").write_text("nonsense")
    assert git_state(str(project)) is None
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))
    git_state.cache_clear()
    assert provenance(str(project / "train.py"))["git"] is None


def test_a_git_that_hangs_or_fails_in_part_is_given_up(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project / "bin"
    folder.mkdir()
    (folder / "git").write_text("#!/bin/sh\nsleep 20 &\nexec sleep 20\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(git, "SECONDS", 0.5)
    assert git_state(str(project)) is None
    monkeypatch.setattr(git, "SECONDS", 60.0)
    real = shutil.which("git", path=os.environ["PATH"].partition(":")[2])
    (folder / "git").write_text(f'#!/bin/sh\ncase "$*" in *status*) exit 1;; esac\nexec {real} "$@"\n')
    facts = state_of(project).facts
    assert (len(facts["commit"]), facts["dirty"], facts["diff"]) == (40, None, None)


def test_a_trial_takes_over_what_git_said_to_its_sweep_only_for_the_same_code(project: Path) -> None:
    script, told = str(project / "train.py"), {"commit": "of the sweep"}
    invocation = {"git": told, "code": code_of.imported_code(script), "snapshot": None}
    assert provenance(script, [invocation])["git"] is told
    (project / "train.py").write_text("lr = 2\n")
    code_of._seen.clear()
    found = provenance(script, [invocation], project / "s")["git"]
    assert found["commit"] == run(project, "rev-parse", "HEAD")
    assert (project / f"s/.hyperherd/diffs/{found['diff']['hash']}.diff").is_file()


def test_in_a_snapshot_it_is_what_git_said_when_that_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_in_use", Snapshot("/p", "/s/.hyperherd/snapshots/aaaa"))
    old, new = ({"git": {"commit": name}, "code": {}, "snapshot": {"name": name * 4}} for name in "ab")
    assert inherited([old, new], {"train.py": "1"}) == {"commit": "a"}
    assert inherited([new], {"train.py": "1"}) is None


def test_versions_are_those_of_what_was_imported() -> None:
    found = imported_versions()
    assert found["omegaconf"] == __import__("omegaconf").__version__
    assert found["yaml"] == __import__("yaml").__version__  # whose distribution has another name
    assert not {"os", "sys", "hyperherd", "conftest"}.intersection(found)


CPUS = "Model: \t\t {name}\nIRQ: 1\nGPU UUID: \t {uuid}\n"


def test_gpus_are_read_from_the_driver_and_masked_as_cuda_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, uuid in (("0000:01:00.0", "GPU-aa"), ("0000:02:00.0", "GPU-bb")):
        folder = tmp_path / "gpus" / place
        folder.mkdir(parents=True)
        (folder / "information").write_text(CPUS.format(name="NVIDIA H100", uuid=uuid))
    version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n"
    (tmp_path / "version").write_text(version)
    monkeypatch.setattr(machine, "_DRIVER", tmp_path)
    machine._gpus.cache_clear()
    seen = {}
    for mask in (None, "", "1", "GPU-bb,GPU-aa", "-1"):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if mask is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", mask)
        seen[mask] = len(machine.machine()["gpus"])
    assert seen == {None: 2, "": 0, "1": 1, "GPU-bb,GPU-aa": 2, "-1": 0}
    assert machine.machine()["driver"] == "535.183.01"
    machine._gpus.cache_clear()


def test_memory_and_cpu_of_what_a_trial_starts_count() -> None:
    measured = usage.Usage()
    work = "data = bytearray(300 << 20)\nfor place in range(0, len(data), 4096): data[place] = 1"
    subprocess.run([sys.executable, "-c", work], check=True)
    taken = measured.taken()
    assert taken["peak_memory_gib"] > 0.29
    assert taken["cpu_s"] > 0
    assert set(taken) == {"wall_s", "cpu_s", "peak_memory_gib"}


SECRETS = {
    "HF_TOKEN": "hf_abcdefghijklmnopqrstu",
    "DATABASE": "postgres://me:paSSword1@host/db",
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
}


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["hydra/launcher=herd_local", "hydra.sweeper.snapshot=true"]])
def test_secrets_of_environment_remote_url_and_diff_are_found_nowhere(app: App, more: list[str]) -> None:
    app.write("hyperherd = __import__('hyperherd'); hyperherd.log_result('loss', 1.0, step=1)", "width: 8\n")
    commit(app.folder, "multirun\nsecrets.yaml\n")
    run(app.folder, "remote", "add", "origin", "https://x:ghp_0123456789abcdefghijkl@github.com/x/y")
    changed = 'password: "paSSword2"\nurl: https://me:paSSword3@host/\nkey_of_ours: AKIAIOSFODNN7EXAMPL2\n'
    (app.folder / "settings.yaml").write_text(changed)
    run(app.folder, "add", "settings.yaml")
    arguments = ["width=1,2", "+db=${oc.env:DATABASE}", "+token=${oc.env:HF_TOKEN}", "hydra.sweep.dir=multirun/s"]
    done = app.run("-m", "hydra/sweeper=herd", *arguments, *more, **SECRETS)
    assert done.returncode == 0, done.stderr
    written = [(path, text) for path, text in lines_of(app.folder / "multirun/s") if "snapshots" not in path.parts]
    diffs = [text for path, text in written if path.suffix == ".diff"]
    assert len(diffs) == 1
    assert diffs[0].count(b"<masked>") == 3
    words = ("hf_abcdef", "paSSword", "AKIAIOSFO", "ghp_012345")
    assert not [(path, word) for path, text in written for word in words if word.encode() in text]


def test_a_project_below_the_prefix_of_python_is_none_of_its_libraries() -> None:
    """A container often has it in `/usr/src/app`, and Debian's Python the prefix `/usr`."""
    assert not code_of.is_foreign(f"{sys.base_prefix}/src/app/train.py")
    assert code_of.is_foreign(str(subprocess.__file__))
    assert code_of.is_foreign(str(pytest.__file__))
