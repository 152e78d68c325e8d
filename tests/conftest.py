"""What tests share: a Hydra app in an empty folder, run as a user runs it."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
import starting
from hydra.core.singleton import Singleton
from hydra.version import VersionBase
from hypothesis import HealthCheck, settings

from hyperherd.records.sweep import PlannedTrial, read_planned
from hyperherd.records.trial import TrialRecord


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lsf", action="store_true", help="run the contract tests of LSF on the LSF that is on PATH")
    parser.addoption("--slurm", action="store_true", help="run the tests of Slurm on the cluster around")


def pytest_configure(config: pytest.Config) -> None:
    # A busy machine makes any example slow; that is no fault of what is tested. In CI the examples are the same in
    # every run, so that a red run is red again.
    settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("ci", settings.get_profile("default"), derandomize=True, print_blob=True)
    settings.load_profile("ci" if os.environ.get("CI") else "default")
    # A shell lets what it starts in the background ignore Ctrl-C, and so would the sweeps that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)  # when it is known which of them run
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first: workers that share files must not be left with these at the end."""
    weights: Counter[Path] = Counter()
    for item in items:
        weights[item.path] += _weight(item)
    items.sort(key=lambda item: -weights[item.path])


def _weight(item: pytest.Item) -> int:
    """About how many tenths of a second a test takes."""
    if item.get_closest_marker("slow"):
        return 50
    return 15 if {"app", "browser", "site", "slurm"} & set(getattr(item, "fixturenames", ())) else 1


def skip_unless_installed(*packages: str) -> None:
    """Skip a test, or a file, without packages. They are not imported: for a trainer, that takes seconds."""
    for package in packages:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed", allow_module_level=True)


DEFAULT_BODY = """
    print("config", OmegaConf.to_yaml(cfg))
"""


@dataclass
class Sweep:
    """What a run of the app left behind."""

    done: subprocess.CompletedProcess[str]
    dir: Path

    @property
    def planned(self) -> list[PlannedTrial]:
        return read_planned(self.dir)

    @property
    def records(self) -> dict[int, TrialRecord]:
        found = [self.dir / str(trial.dir) for trial in self.planned]
        records = [TrialRecord.read(path) for path in found if (path / ".hyperherd" / "trial.json").exists()]
        return {record.number: record for record in records}

    @property
    def states(self) -> dict[int, str]:
        return {number: str(record.state) for number, record in self.records.items()}


class App:
    """A Hydra app in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        self.script = folder / "app.py"
        self.write(DEFAULT_BODY)

    def write(self, body: str, config: str = "lr: 0.1\nmodel: cnn\nwidth: 8\nflag: false\n") -> App:
        """Give the app the body of its task function, and its config."""
        (self.folder / "conf").mkdir(exist_ok=True)
        (self.folder / "conf" / "config.yaml").write_text(config)
        self.script.write_text(
            "import json, os, sys, time\n"
            "import hydra\n"
            "from hydra.core.hydra_config import HydraConfig\n"
            "from omegaconf import OmegaConf\n"
            "@hydra.main(version_base=None, config_path='conf', config_name='config')\n"
            "def main(cfg):\n" + textwrap.indent(textwrap.dedent(body), "    ") + "\n"
            "if __name__ == '__main__':\n"
            "    main()\n"
        )
        return self

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(self.script), *arguments]

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start the app without waiting, in a session of its own; what is left of that ends with the test."""
        process = starting.start(
            self.command(*arguments),
            cwd=self.folder,
            env={**os.environ, **environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the app to its end, whatever that is."""
        return starting.run(
            self.command(*arguments),
            cwd=self.folder,
            env={**os.environ, **environment},
            text=True,
            errors="replace",
        )

    def sweep(self, *arguments: str, code: int = 0, to: str = "multirun/s", **environment: str) -> Sweep:
        """Sweep with ours into the folder `to`; the exit code must be `code`."""
        done = self.run("-m", "hydra/sweeper=herd", f"hydra.sweep.dir={to}", *arguments, **environment)
        assert done.returncode == code, done.stdout + done.stderr
        return Sweep(done, self.folder / to)


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    """Read what the process prints until a line holds `text`."""
    assert process.stdout is not None
    told = []
    for line in process.stdout:
        told.append(line)
        if text in line:
            return
    pytest.fail(f"the process ended without saying {text!r}:\n{''.join(told)}")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    app = App(folder)
    yield app
    for process in app.started:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture
def nobody() -> int:
    """The number of a user who is somebody else; files can be given to one by root alone."""
    if os.geteuid() != 0:
        pytest.skip("giving files to another user needs root")
    return pwd.getpwnam("nobody").pw_uid


@pytest.fixture
def unversioned_hydra() -> Iterator[None]:
    """Hydra as it is where nobody has chosen a version base; Hydra's own suites count on that."""
    before = Singleton._instances.pop(VersionBase, None)
    yield
    Singleton._instances.pop(VersionBase, None)
    if before is not None:
        Singleton._instances[VersionBase] = before
