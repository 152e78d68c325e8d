"""Ways in which user code has treated its process, each a function that a trial of `test_misbehaving` calls."""

from __future__ import annotations

import atexit
import builtins
import codecs
import faulthandler
import gc
import io
import locale
import logging
import logging.config
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings


class _Tee:
    """Writes, and can do nothing else."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        self._stream.write(text)


class _Raising:
    """Raises at any question."""

    def __getattr__(self, name):
        raise RuntimeError(name)


class Unprintable(Exception):
    def __str__(self):
        return None


class Unrepresentable(Exception):
    def __str__(self):
        raise SystemExit("from str")

    __repr__ = __str__


class Unaskable(Exception):
    def __getattribute__(self, name):
        raise RuntimeError(name)


class Classless(Exception):
    @property
    def __class__(self):
        raise RuntimeError("no class")


class Beyond(BaseException):
    pass


def closes_stdout():
    sys.stdout.close()


def closes_descriptors():
    os.close(1)
    os.close(2)


def no_stdout():
    sys.stdout = sys.stderr = sys.stdin = None


def odd_streams():
    sys.stdout, sys.stderr = _Tee(sys.stdout), _Raising()


def closed_file_as_stdout():
    with open(os.devnull, "w") as file:
        sys.stdout = file


def detaches_stdout():
    sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding="utf-8")


def wraps_the_buffer():
    sys.stdout = codecs.getwriter("utf-8")(sys.stdout.buffer)
    sys.stderr = io.TextIOWrapper(sys.stderr.buffer, encoding="latin-1")


def goes_to_a_deleted_folder():
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    shutil.rmtree(folder)


def takes_permissions():
    os.umask(0o777)


def clears_the_environment():
    os.environ.clear()


def turns_logging_off():
    logging.disable(logging.CRITICAL)


def configures_logging_anew():
    logging.config.dictConfig({"version": 1, "root": {"handlers": []}})


def leaves_a_handler_without_stream():
    with open("odd.log", "w") as file:
        logging.getLogger().addHandler(logging.StreamHandler(file))
        logging.getLogger("hyperherd").addHandler(logging.StreamHandler(file))


def shuts_logging_down():
    logging.shutdown()


def makes_warnings_errors():
    warnings.simplefilter("error")


def clears_paths_and_arguments():
    sys.path[:] = []
    sys.argv = []


def ignores_signals():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def leaves_a_timer():
    signal.signal(signal.SIGALRM, lambda number, frame: None)
    signal.setitimer(signal.ITIMER_REAL, 0.3)


def lowers_the_recursion_limit():
    sys.setrecursionlimit(120)


def recurses():
    recurses()


def traces_and_keeps_garbage():
    gc.disable()
    sys.setprofile(lambda *_: None)


def leaves_a_daemon_and_an_exit_function():
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    atexit.register(lambda: None)


def leaves_a_thread_that_prints():
    threading.Thread(target=lambda: (time.sleep(0.5), print("late", flush=True))).start()


def leaves_a_program():
    subprocess.Popen(["sleep", "4"])


def leaves_a_process():
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(4,), daemon=True).start()


def enables_faulthandler():
    faulthandler.enable(file=open(os.devnull, "w"))  # noqa: SIM115 - it keeps the descriptor
    faulthandler.dump_traceback_later(1000)


def replaces_builtins():
    builtins.print = builtins.repr = builtins.open = None


def replaces_hooks():
    sys.excepthook = sys.unraisablehook = sys.displayhook = threading.excepthook = None
    sys.settrace(lambda *_: None)


def prints_a_lot():
    for _ in range(50):
        sys.stdout.write("x" * 100_000)


def prints_what_is_not_utf8():
    sys.stdout.flush()
    os.write(1, b"\xff\xfe\x00\n")


def poses_as_another_trial():
    os.environ.update(dict.fromkeys(("HYPERHERD_TRIAL_DIR", "HYPERHERD_WORKSPACE"), "/nowhere"))
    os.environ.update(HYPERHERD_TRIAL_ID="99", HYPERHERD_ATTEMPT="7", RANK="3", LOCAL_RANK="1", HYDRA_FULL_ERROR="1")


def changes_the_locale():
    locale.setlocale(locale.LC_ALL, "C")


def returns_an_object():
    return _Raising()


def raises_unprintable():
    raise Unprintable("x")


def raises_unrepresentable():
    raise Unrepresentable("x")


def raises_unaskable():
    raise Unaskable("x")


def raises_classless():
    raise Classless("x")


def raises_beyond_exception():
    raise Beyond("x")


def raises_a_huge_text():
    raise ValueError("x" * 1_000_000)


def exits_with_an_object():
    sys.exit(_Raising())


def exits_with_an_odd_code():
    class Code:
        def __eq__(self, other):
            raise RuntimeError("not comparable")

        __hash__ = None

        def __repr__(self):
            raise RuntimeError("not printable")

    sys.exit(Code())


FAILING = {
    recurses: "RecursionError",
    raises_unprintable: "Unprintable",
    raises_unrepresentable: "Unrepresentable",
    raises_unaskable: "Unaskable",
    raises_classless: "Classless",
    raises_beyond_exception: "Beyond",
    raises_a_huge_text: "ValueError",
    exits_with_an_object: "SystemExit",
    exits_with_an_odd_code: "SystemExit",
}
"""What is to fail, with the name of the error."""

ALL = {
    item.__name__: item
    for item in list(globals().values())
    if getattr(item, "__module__", None) == __name__ and item.__class__ is type(recurses)
}
