"""`hydra.sweeper.snapshot`: what belongs to a snapshot, and that all of a trial's code comes from it."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest
from conftest import App
from frozen_projects import EDITS, commit, marks, told, write_editing, write_project
from omegaconf import OmegaConf
from results.builder import SweepBuilder
from waiting import PATIENCE

from hyperherd.errors import SweepError
from hyperherd.launch import frozen
from hyperherd.launch.frozen import run_from
from hyperherd.launch.worker import trial_to_join
from hyperherd.paths import SweepPaths, TrialPaths
from hyperherd.records import code
from hyperherd.records.snapshot import VARIABLE, Snapshot, digest, in_use
from hyperherd.records.sweep import SweepRecord
from hyperherd.sweep.freezing import take
from hyperherd.sweep.freezing.files import Selection
from hyperherd.sweep.freezing.settings import SnapshotSettings
from hyperherd.sweep.freezing.take import take_snapshot
from hyperherd.sweep.notify_settings import NotifySettings, address_files
from hyperherd.sweep.settings import read_settings
from hyperherd.sweep.tidying.clean import Cleaning
from hyperherd.sweep.tidying.snapshots import clean_snapshots

FROZEN = ["-m", "hydra/sweeper=herd", "hydra/launcher=herd_local", "hydra.sweeper.snapshot=true", "hydra.sweep.dir=s"]


def run(root: Path, *start: str, code: int = 0, **environment: str) -> str:
    """Run a sweep in a project and return what it printed."""
    done = subprocess.run(
        [sys.executable, *start],
        cwd=root,
        env={**os.environ, "TOLD": str(root.parent / "told"), **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def snapshots(root: Path) -> list[Path]:
    return sorted(SweepPaths(root / "s").snapshots.iterdir())


# What belongs to it


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def test_it_takes_what_git_does_not_ignore(tmp_path: Path) -> None:
    write(
        tmp_path,
        "train.py",
        "new.py",
        "data/big",
        "gone.py",
        "x.ckpt",
        ".env",
        "tests/old/x.py",
        "inner/a.py",
        "conf/own.yaml",
    )
    write(
        tmp_path,
        "conf/own.yaml",
        "multirun/s/.hyperherd/sweep.json",
        "multirun/s/0/out",
        "env/pyvenv.cfg",
        "env/lib.py",
    )
    commit(tmp_path / "inner")
    commit(tmp_path, "data/\nconf/own.yaml\n")
    (tmp_path / "gone.py").unlink()
    write(tmp_path, "untracked.py", "__pycache__/x.pyc")
    assert Selection(str(tmp_path), "train.py", ("conf",), ("*.ckpt", "tests/old/")).names == [
        ".gitignore",
        "conf/own.yaml",
        "inner/.gitignore",
        "inner/a.py",
        "new.py",
        "train.py",
        "untracked.py",
    ]


def test_without_git_it_takes_all_but_outputs_environments_and_caches(tmp_path: Path) -> None:
    write(
        tmp_path,
        "train.py",
        "data/x",
        "o/0/.hydra/config.yaml",
        "o/0/log",
        ".venv/a",
        "v/pyvenv.cfg",
        "a/__pycache__/b",
    )
    write(tmp_path, ".hyperherd/sweep.json")  # of a sweep in the project's own folder
    assert Selection(str(tmp_path), "train.py").names == ["data/x", "train.py"]
    assert Selection(str(tmp_path), "train.py", exclude=("data",)).names == ["train.py"]


def test_a_repository_that_ignores_the_script_is_another_one(tmp_path: Path) -> None:
    write(tmp_path / "p", "train.py", "conf/a.yaml")
    commit(tmp_path, "*\n")
    assert Selection(str(tmp_path / "p"), "train.py").names == ["conf/a.yaml", "train.py"]


@pytest.fixture(autouse=True)
def _new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take, "_taken", {})
    monkeypatch.setattr(code, "_seen", {})


def taken(root: Path, **settings: object) -> Path:
    """Return the snapshot that a new process takes."""
    take._taken.clear()
    code._seen.clear()
    found = take_snapshot(root / "s", str(root / "train.py"), SnapshotSettings(**settings))  # type: ignore[arg-type]
    return Path(found.folder)


def test_its_files_are_copies_under_the_hash_of_all(tmp_path: Path) -> None:
    write(tmp_path, "train.py", "run.sh")
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "train.py").chmod(0o644)
    first = taken(tmp_path)
    assert oct(first.parent.stat().st_mode & 0o777) == "0o700"  # whoever could not read the project cannot read it here
    assert taken(tmp_path) == first
    assert digest(first) == first.name
    assert (first / "train.py").stat().st_ino != (tmp_path / "train.py").stat().st_ino
    assert (first / "train.py").stat().st_nlink == 1
    assert [oct((first / name).stat().st_mode & 0o777) for name in ("train.py", "run.sh")] == ["0o444", "0o555"]
    (tmp_path / "train.py").write_text("other")
    (first.parent / ".0123.tmp").mkdir()  # a process was killed
    second = taken(tmp_path)
    assert second != first
    assert sorted(path.name for path in first.parent.iterdir()) == sorted((first.name, second.name))


def test_what_only_its_owner_could_read_is_not_readable_for_others(tmp_path: Path) -> None:
    write(tmp_path, "train.py", "key", ".env.local", "notify[1].txt", "lib/notify[1].txt")
    (tmp_path / "key").chmod(0o600)
    settings = NotifySettings(("${oc.env:ROOT}/notify[1].txt", "${oc.env:NOTIFY_URL}", "json://localhost"))
    without = address_files(settings, {"ROOT": str(tmp_path), "NOTIFY_URL": "/x"})
    assert without == [str(tmp_path / "notify[1].txt")]
    folder = Path(take_snapshot(tmp_path / "s", str(tmp_path / "train.py"), SnapshotSettings(), (), without).folder)
    assert sorted(path.name for path in folder.iterdir()) == ["key", "lib", "train.py"]
    assert oct((folder / "key").stat().st_mode & 0o777) == "0o400"


def test_one_that_was_changed_is_not_taken_again(tmp_path: Path) -> None:
    write(tmp_path, "train.py", "data/x")
    folder = taken(tmp_path)
    (folder / "cache").write_text("written by a trial")
    assert taken(tmp_path) == folder
    (folder / "data/x").chmod(0o644)
    (folder / "data/x").write_text("edited")
    with pytest.raises(SweepError, match=r"was changed since: data/x; delete it, if no trial runs from it"):
        taken(tmp_path)


def test_configs_that_are_not_copied_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, "train.py", "conf/model/multirun.yaml", "conf/multirun.yaml", "own/x.yaml")
    folders = [str(tmp_path / name) for name in ("conf", "own", "missing")]
    settings = SnapshotSettings(exclude=("own/",))
    folder = Path(take_snapshot(tmp_path / "s", str(tmp_path / "train.py"), settings, folders).folder)
    assert sorted(path.name for path in folder.rglob("*.yaml")) == ["multirun.yaml", "multirun.yaml"]
    assert f"read as they are when a trial runs: {tmp_path}/own" in caplog.text
    assert str(tmp_path / "conf") not in caplog.text
    assert str(tmp_path / "missing") not in caplog.text


def test_a_repository_that_git_cannot_read_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, ".git/HEAD", "p/train.py")
    assert Selection(str(tmp_path / "p"), "train.py").names == ["train.py"]
    assert "so what it ignores is copied, too" in caplog.text


def test_links_stay_links_and_lead_to_copies_where_there_are_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "p"
    write(root, "train.py", "lib/a.py")
    write(tmp_path, "data/x")
    (root / "absolute").symlink_to(root / "lib")
    (root / "lib/relative.py").symlink_to("../train.py")
    (root / "outside").symlink_to("../data")
    (root / "nowhere").symlink_to("missing")
    folder = taken(root)
    assert (folder / "absolute").resolve() == folder / "lib"
    assert (folder / "lib/relative.py").resolve() == folder / "train.py"
    assert str((folder / "outside").readlink()) == str(tmp_path / "data")
    assert str((folder / "nowhere").readlink()) == str(root / "missing")
    assert f"outside -> {tmp_path}/data" in caplog.text
    assert "absolute" not in caplog.text


def test_one_that_is_too_large_names_the_largest_files_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "train.py")
    (tmp_path / "big.bin").write_bytes(bytes(2_000_000))
    with pytest.raises(
        SweepError, match=r"2\.0 MB, and hydra.sweeper.snapshot.max_mb is 1\. .*: big\.bin \(2\.0 MB\).*exclude"
    ):
        taken(tmp_path, max_mb=1)
    assert not (tmp_path / "s").exists()
    assert sorted(path.name for path in taken(tmp_path, max_mb=1, exclude=("big*",)).iterdir()) == ["train.py"]


# What a sweep says


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("yes", "hydra.sweeper.snapshot is 'yes'; expected true, false or a map"),
        ({"omit": ["a"]}, "expected true, false or a map such as {exclude"),
        ({"max_mb": 0}, "hydra.sweeper.snapshot.max_mb is 0; expected a number above 0"),
        ({"exclude": ["!a"]}, "a pattern can only leave files out"),
        ({"exclude": [3]}, "expected patterns such as data/"),
    ],
)
def test_values_that_mean_nothing_are_errors(written: object, message: str) -> None:
    with pytest.raises(SweepError) as raised:
        read_settings(OmegaConf.create({"snapshot": written}))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hydra.sweeper.snapshot={exclude: app.py}"], "exclude leaves out app.py, which the script imports"),
        (["hydra.sweeper.snapshot=true", "hydra/launcher=basic"], "BasicLauncher runs the project as it is"),
        (["hydra.sweeper.snapshot=true", "hydra.launcher.start_method=fork"], "are not forked"),
    ],
)
def test_what_cannot_be_is_an_error_before_anything_runs(app: App, arguments: list[str], message: str) -> None:
    sweep = app.sweep("hydra/launcher=herd_local", "width=1,2", *arguments, code=1)
    assert message in sweep.done.stderr
    assert not list(sweep.dir.glob("*/.hyperherd"))


# Where the code of trials comes from


@pytest.mark.slow
def test_a_resumed_sweep_has_a_snapshot_of_its_own_if_code_has_changed(tmp_path: Path) -> None:
    root = tmp_path / "p"
    script = str(write_project(root))
    run(root, script, *FROZEN, "width=1,2", "hydra.sweeper.only=0")
    (root / "early.py").write_text('MARK = "after"\n')
    again = run(root, script, *FROZEN, "width=1,2")
    assert "code has changed since trials of this sweep ran: early.py;" in again
    ran = [json.loads(TrialPaths(root / f"s/{one}").provenance.read_text()) for one in range(2)]
    assert [one["early"] for one in told(tmp_path)] == ["before", "after"]
    assert len({one["snapshot"] for one in ran}) == 2
    assert {path.name for path in snapshots(root)} == {one["snapshot"] for one in ran}
    assert all(one["code"].keys() == {"train.py", "early.py", "late.py"} for one in ran)


MAPPED = """
import sys
from importlib.util import spec_from_file_location
class Finder:  # as setuptools makes one for `pip install -e` of a flat layout
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "pkg":
            folder = {folder!r}
            return spec_from_file_location(name, folder + "/__init__.py", submodule_search_locations=[folder])
sys.meta_path.append(Finder)
"""
IMPORTS = {
    "module": ("from . import early", "from . import late"),
    "script": ("from pkg import early", "from pkg import late"),
}


def package(root: Path, how: str) -> list[str]:
    """Write a package `pkg` below `src`, and return how it is started."""
    write_project(root, "src/pkg", imports=IMPORTS["module" if how == "module" else "script"])
    (root / "src/pkg/__init__.py").touch()
    (root / "pyproject.toml").touch()
    if how == "module":
        return ["-m", "pkg.train"]
    script = root / "scripts/train.py"
    script.parent.mkdir()
    (root / "src/pkg/train.py").rename(script)
    (root / "src/pkg/conf").rename(root / "scripts/conf")
    (root / "src/pkg/data.txt").rename(root / "scripts/data.txt")
    return [str(script)]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["module", "finder"])
def test_every_layout_of_a_project_runs_from_it(tmp_path: Path, how: str) -> None:
    """The project is edited by a callback of Hydra's, after the snapshot was taken and before any trial begins."""
    root, site = tmp_path / "p", tmp_path / "site"
    start = package(root, "module" if how == "module" else "script")
    site.mkdir()
    code = MAPPED.format(folder=str(root / "src/pkg")) if how == "finder" else ""
    (site / "sitecustomize.py").write_text(code)
    write_editing(site, root)
    path = str(site) if how == "finder" else f"{site}{os.pathsep}src"
    output = run(root, *start, *FROZEN, "width=1", EDITS, PYTHONPATH=path)
    ran = told(root.parent)
    assert [marks(one) for one in ran] == [{"before"}], output
    assert "after" in (root / "src/pkg/early.py").read_text()
    [kept] = snapshots(root)
    assert all(one[name].startswith(f"{kept}/") for one in ran for name in ("file", "module", "argv"))
    assert {one["cwd"] for one in ran} == {str(root)}


@pytest.mark.slow
def test_what_git_ignores_is_kept_if_it_was_imported_and_else_said(tmp_path: Path) -> None:
    root = tmp_path / "p"
    script = write_project(root)
    commit(root, "early.py\nlate.py\ns\ntold\n")
    output = run(root, str(script), *FROZEN, "width=1")
    [kept] = snapshots(root)
    assert (kept / "early.py").is_file()
    assert not (kept / "late.py").exists()
    log = TrialPaths(root / "s/0").log(0, "err").read_text() + TrialPaths(root / "s/0").log(0, "out").read_text()
    assert f"{root}/late.py is not in the snapshot" in output + log


def test_a_job_whose_snapshot_was_deleted_does_not_run_the_project_itself(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match=r"snapshots/abc, is gone; run the sweep's command again"):
        run_from(Snapshot(str(tmp_path), str(tmp_path / "s/.hyperherd/snapshots/abc")))
    assert in_use() is None


def test_what_a_trial_starts_finds_what_a_finder_led_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the finder of an editable install does, of a package that nothing has imported before."""
    package = tmp_path / "p/src/frozen_package"
    write(tmp_path, "p/src/frozen_package/__init__.py", "kept/src/frozen_package/__init__.py")
    for file in tmp_path.rglob("__init__.py"):
        file.write_text("")

    class Mapped:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> object:
            if name != "frozen_package":
                return None
            return spec_from_file_location(name, package / "__init__.py", submodule_search_locations=[str(package)])

    monkeypatch.setattr(sys, "path", list(sys.path))
    finder = frozen._Finder(Snapshot(str(tmp_path / "p"), str(tmp_path / "kept")))
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path, Mapped])
    monkeypatch.setenv("PYTHONPATH", "")
    found = importlib.import_module("frozen_package").__file__
    monkeypatch.delitem(sys.modules, "frozen_package")
    assert found == str(tmp_path / "kept/src/frozen_package/__init__.py")
    told = [sys.executable, "-c", "import frozen_package; print(frozen_package.__file__)"]
    assert subprocess.run(told, capture_output=True, text=True, check=True).stdout.strip() == found
    shutil.rmtree(tmp_path / "kept")
    with pytest.raises(ImportError, match="the snapshot of the code that runs, is gone"):
        importlib.import_module("frozen_package")


def test_a_rank_that_was_started_from_the_project_itself_is_refused(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = app.sweep("width=1,2")
    folder = str(SweepPaths(sweep.dir).snapshots / "0123456789abcdef")
    for name, value in {
        "HYPERHERD_TRIAL_DIR": str(sweep.dir / "0"),
        "HYPERHERD_WORKSPACE": str(sweep.dir),
        "RANK": "1",
        VARIABLE: folder,
    }.items():
        monkeypatch.setenv(name, value)
    assert trial_to_join(f"{folder}/app.py") == sweep.dir / "0"
    assert trial_to_join(f"{folder}/other.py") is None
    with pytest.raises(SweepError, match="rank of a trial that runs from the snapshot"):
        trial_to_join(str(app.script))


# What becomes of it


def names_of(cleaning: Cleaning) -> list[str]:
    return [item.folder.name for item in cleaning.items]


def test_clean_deletes_those_that_nothing_needs(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    for name in ("aaaa", "bbbb", "cccc"):
        write(tmp_path, f"s/.hyperherd/snapshots/{name}/train.py")
        (tmp_path / f"s/.hyperherd/snapshots/{name}/train.py").chmod(0o444)
    sweep.trial({"loss": 1.0})
    paths = SweepPaths(sweep.dir)
    TrialPaths(sweep.dir / "0").provenance.write_text(json.dumps({"snapshot": "aaaa"}))
    record = SweepRecord.read(sweep.dir)
    replace(record, invocations=[{"snapshot": {"name": "bbbb", "root": "/p"}}]).write(sweep.dir)
    assert names_of(clean_snapshots(sweep.dir, "unused", act=False)) == ["cccc"]
    assert names_of(clean_snapshots(sweep.dir, "all", act=False)) == ["aaaa", "bbbb", "cccc"]
    kept = clean_snapshots(sweep.dir, "unused", act=True).kept
    assert sorted(kept) == ["the sweep was started with it last", "trials ran from it"]
    assert sorted(path.name for path in paths.snapshots.iterdir()) == ["aaaa", "bbbb"]
    sweep.running({"loss": 1.0})
    assert not clean_snapshots(sweep.dir, "all", act=True).items
