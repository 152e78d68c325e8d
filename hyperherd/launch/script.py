"""The user's script as another interpreter makes it again: a module ``__main__``, without the block that starts it.

``multiprocessing`` imports a script as ``__mp_main__``, so that its guard is false. That name would then stand in what
the script pickles and logs. Here the script is run as ``__main__``, up to the guard: as far as it had come in the
process of the sweep. Its text travels along, so that a job runs what was submitted although the file has changed since.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import io
import linecache
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType


@dataclass(frozen=True)
class Script:
    """The file that this process was started with.

    Attributes:
        file: its path, as its code names it.
        text: what it holds.
        before: how many of its statements come before the block that starts it; None if it cannot be imported.
    """

    file: str
    text: str
    before: int | None

    def show(self) -> None:
        """Let tracebacks and ``inspect.getsource`` show this text, whatever the file holds by now."""
        lines = io.StringIO(self.text).readlines()
        # Without a time it is never compared with the file.
        linecache.cache[self.file] = (len(self.text), None, lines, self.file)

    def run(self, module: ModuleType) -> None:
        """Do in `module` what the script does before it starts; whatever the script raises goes on."""
        tree = ast.parse(self.text, self.file)
        tree.body = tree.body[: self.before]
        exec(compile(tree, self.file, "exec", dont_inherit=True), vars(module))


@functools.cache  # as it was when it was first asked for: the file may change while a sweep runs
def running_script(main: ModuleType) -> Script | None:
    """Return the script that `main` is the module of; None if its text is not known.

    It can be imported if its guard, ``if __name__ == "__main__":``, does nothing before the call that led here. What
    another statement there, or a function of the script, has changed in the module would be missing after an import.
    """
    frames = [frame for frame in _stack() if frame.f_globals is vars(main)]
    if not frames or frames[-1].f_code.co_name != "<module>":
        return None
    started = frames[-1]
    file = started.f_code.co_filename
    try:
        text = importlib.util.decode_source(Path(file).read_bytes())
        tree = ast.parse(text, file)
        code = compile(text, file, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):  # no file (a notebook, standard input), or no longer Python
        return None
    if code != started.f_code:  # edited since, or rewritten by a tool on its way in
        return None
    before = _statements_before_guard(tree, started.f_lineno) if len(frames) == 1 else None
    return Script(file, text, before)


def has_lasting_threads() -> bool:
    """Return whether there are threads that an interpreter waits for at its end; a trial must not start those too."""
    return any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())


def _stack() -> Iterator[FrameType]:
    frame: FrameType | None = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def _statements_before_guard(tree: ast.Module, line: int) -> int | None:
    """Return how many statements stand before the guard, if the first statement in it is the one in `line`."""
    tests = [node for node in ast.walk(tree) if isinstance(node, ast.Compare) and _names_itself(node)]
    if len(tests) != 1 or ast.unparse(tests[0]) not in ("__name__ == '__main__'", "'__main__' == __name__"):
        return None
    for index, statement in enumerate(tree.body):
        if isinstance(statement, ast.If) and statement.test is tests[0]:
            first = statement.body[0]
            is_call = isinstance(first, ast.Expr | ast.Assign)
            return index if is_call and first.lineno <= line <= (first.end_lineno or line) else None
    return None


def _names_itself(test: ast.Compare) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(test))
