"""What a job gets of the user's script: the module that it is, or what it defines, with the places in its file."""

import json
import os
import pickle
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hyperherd.launch.payload import Payload

STARTER = """
import functools, pickle
from hyperherd.launch.payload import Payload

def starts(task):
    @functools.wraps(task)
    def start():
        with open("packed", "wb") as file:
            pickle.dump(Payload.pack(task), file)
    return start

def traced(task):
    def call():
        return task()
    return call
"""

HEAD = """\
import __main__, inspect, json, logging, sys, threading, traceback, warnings
from starter import starts, traced

log = logging.getLogger(__name__)
UNSET = object()
READY = []

class Net:
    depth = 2

def is_unset(value=UNSET):
    return value is UNSET

@starts
def main():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("old")
    try:
        raise ValueError("boom")
    except ValueError as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
    return {
        "place": [frame.filename, frame.line],
        "line": frame.lineno,
        "sources": [inspect.getsource(Net), inspect.getsource(is_unset)],
        "warned in": caught[0].filename,
        "logger": log.name,
        "is one object": is_unset(UNSET),
        "found by its name": getattr(__main__, "Net", None) is Net,
        "pickled as": Net.__module__,
        "ready": READY,
        "argv": sys.argv[1:],
        "package": __main__.__package__,
    }
"""
GUARD = 'if __name__ == "__main__":\n    main()\n'

UNPACK = """
import json, pickle, sys
task = pickle.load(open("packed", "rb")).unpack()
json.dump(task(), sys.stdout)
"""


@dataclass
class Job:
    """What a function of a script was packed as, and what it returned in a job."""

    is_imported: bool
    found: Any
    said: str


class Folder:
    """A folder with a script that is started in it, and jobs of that."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "starter.py").write_text(STARTER)

    def write(self, text: str, name: str = "train.py") -> Path:
        script = self.path / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(text)
        return script

    def start(self, *arguments: str, text: str | None = None) -> Payload:
        """Run Python with these arguments, and return what it packed."""
        paths = os.pathsep.join([str(self.path), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        environment = {**os.environ, "PYTHONPATH": paths}
        subprocess.run([sys.executable, *arguments], cwd=self.path, env=environment, input=text, text=True, check=True)
        packed: Payload = pickle.loads((self.path / "packed").read_bytes())
        return packed

    def job(self, *arguments: str, text: str | None = None) -> Job:
        """Run Python with these arguments, and then, in another process, what it packed."""
        packed = self.start(*arguments, text=text)
        return self.unpacked(packed)

    def unpacked(self, packed: Payload) -> Job:
        done = subprocess.run([sys.executable, "-c", UNPACK], cwd=self.path, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        return Job(packed.by_name is not None, json.loads(done.stdout), done.stderr)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def assert_at_home(found: dict[str, Any], script: Path) -> None:
    """The function knows its file, and what it defines has its source."""
    lines = script.read_text().splitlines()
    assert found["place"] == [str(script), 'raise ValueError("boom")']
    assert lines[found["line"] - 1].strip() == 'raise ValueError("boom")'
    assert found["sources"] == [
        "class Net:\n    depth = 2\n",
        "def is_unset(value=UNSET):\n    return value is UNSET\n",
    ]
    assert found["warned in"] == str(script)
    assert found["logger"] == found["pickled as"] == "__main__"
    assert found["is one object"]


@pytest.mark.parametrize("name", ["train.py", "my-train.py", "elsewhere/train v2"])
def test_a_script_with_a_guard_is_imported_by_its_path(folder: Folder, name: str) -> None:
    script = folder.write(HEAD + GUARD, name)
    job = folder.job(str(script), "lr=1", "--flag")
    assert job.is_imported
    assert_at_home(job.found, script)
    assert job.found["found by its name"]
    assert job.found["argv"] == ["lr=1", "--flag"]


def test_a_module_of_a_package_is_imported_as_one(folder: Folder) -> None:
    folder.write("SIZE = 3\n", "pkg/sizes.py")
    script = folder.write("from .sizes import SIZE\n" + HEAD + GUARD, "pkg/train.py")
    job = folder.job("-m", "pkg.train")
    assert job.is_imported
    assert_at_home(job.found, script)
    assert job.found["package"] == "pkg"


STARTS = {
    "no guard": "main()\n",
    "a guard that does something first": 'if __name__ == "__main__":\n    READY.append("set up")\n    main()\n',
    "a function that does something first": 'def run():\n    READY.append("set up")\n    main()\n'
    'if __name__ == "__main__":\n    run()\n',
    "two guards": 'if __name__ == "__main__":\n    READY.append("set up")\n' + GUARD,
    "a guard for something else": 'if __name__ != "train":\n    main()\n',
    "a thread that outlives the call": "stop = threading.Event()\nthreading.Thread(target=stop.wait).start()\n"
    'if __name__ == "__main__":\n    main()\n    stop.set()\n',
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_what_an_import_would_not_bring_back_is_pickled(folder: Folder, start: str) -> None:
    script = folder.write(HEAD + start)
    job = folder.job(str(script))
    assert not job.is_imported
    assert_at_home(job.found, script)
    assert job.found["ready"] == (["set up"] if "set up" in start else [])


def test_a_decorated_function_is_found_behind_its_decorators(folder: Folder) -> None:
    script = folder.write(HEAD.replace("@starts\n", "@starts\n@traced\n") + GUARD)
    job = folder.job(str(script))
    assert job.is_imported
    assert_at_home(job.found, script)


def test_a_closure_is_pickled_with_all_that_it_needs(folder: Folder) -> None:
    made = HEAD.replace("@starts\n", "") + "def make(task):\n    def run():\n        return task()\n    return run\n"
    script = folder.write(made + 'if __name__ == "__main__":\n    starts(make(main))()\n')
    job = folder.job(str(script))
    assert not job.is_imported
    assert_at_home(job.found, script)


def test_what_is_typed_into_python_is_pickled(folder: Folder) -> None:
    text = "from starter import starts\nclass Net: pass\n@starts\ndef main(): return [Net.__name__]\nmain()\n"
    job = folder.job("-", text=text)
    assert not job.is_imported
    assert job.found == ["Net"]


def test_a_job_runs_what_was_submitted_though_the_script_has_changed(folder: Folder) -> None:
    script = folder.write(HEAD + GUARD)
    packed = folder.start(str(script))
    before = script.read_text()
    script.write_text("# a line more\n" + before.replace("boom", "another"))
    job = folder.unpacked(packed)
    script.write_text(before)
    assert_at_home(job.found, script)


def test_a_script_that_changed_before_it_was_packed_is_not_imported(folder: Folder) -> None:
    script = folder.write(HEAD + "open(__file__, 'a').write('# edited\\nSIZE = 1\\n')\n" + GUARD)
    job = folder.job(str(script))
    assert not job.is_imported
    assert job.found["place"] == [str(script), 'raise ValueError("boom")']


def test_a_script_that_cannot_be_imported_twice_runs_as_it_was_pickled(folder: Folder) -> None:
    script = folder.write("from pathlib import Path\nPath('made').mkdir()\n" + HEAD + GUARD)
    job = folder.job(str(script))
    assert job.is_imported
    assert re.search(
        r"train\.py cannot be imported, so its functions and classes are unpickled instead: FileExistsError", job.said
    )
    assert_at_home(job.found, script)


def test_what_cannot_be_pickled_is_found_in_the_script(folder: Folder) -> None:
    text = """
        import threading
        from starter import starts
        lock = threading.Lock()
        @starts
        def main():
            with lock:
                return "locked"
        if __name__ == "__main__":
            main()
    """
    job = folder.job(str(folder.write(textwrap.dedent(text))))
    assert job.is_imported
    assert job.found == "locked"


def test_what_an_earlier_version_left_in_a_queue_still_runs(folder: Folder) -> None:
    packed = folder.start(str(folder.write(HEAD + "main()\n")))
    known = {name: vars(packed)[name] for name in ("path", "argv", "file", "module", "content")}
    earlier = Payload.__new__(Payload)
    vars(earlier).update(known)
    (folder.path / "packed").write_bytes(pickle.dumps(earlier))
    assert_at_home(folder.unpacked(packed).found, folder.path / "train.py")
