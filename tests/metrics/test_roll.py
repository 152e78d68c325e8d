"""Journals roll into parts while the trial goes on; nothing of that is seen in what is read."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from metrics.dying import DYING
from waiting import PATIENCE

from hyperherd.metrics.consolidate import roll
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.consolidate.roll import make_part
from hyperherd.metrics.reader import read_final, read_metrics, read_summary, skipped
from hyperherd.metrics.rows.sources import LEVELS, SourceName, list_sources, rolling_here, this_host
from hyperherd.metrics.summary.running import RunningSummary
from hyperherd.metrics.writer import MetricWriter, Roll
from hyperherd.paths import TrialPaths

SMALL = Roll(bytes=2000, seconds=3600, least=500)


def sources(trial: Path) -> list[SourceName]:
    return list(list_sources(TrialPaths(trial).metrics).values())


def steps(trial: Path, **options) -> list[int]:
    return read_metrics(trial, ["m"], **options)["step"].to_pylist()


def wait_for_rolls(writer: MetricWriter) -> None:
    if writer._roller._thread is not None:
        writer._roller._thread.join()


def test_a_journal_that_is_large_becomes_a_part_while_the_next_is_written(tmp_path):
    writer = MetricWriter(tmp_path, 3, SMALL)
    for step in range(60):
        writer.log({"m": float(step)}, step)
        if step % 10 == 0:
            wait_for_rolls(writer)
    found = sources(tmp_path)
    assert [about.level for about in found if about.is_journal] == [-1]
    assert {about.level for about in found if not about.is_journal} == {0}
    assert {about.attempt for about in found} == {3}
    assert steps(tmp_path) == list(range(60))
    writer.close()
    assert not rolling_here
    merge(tmp_path)
    assert steps(tmp_path) == list(range(60))
    assert not TrialPaths(tmp_path).metrics.exists()


def test_a_journal_that_is_old_becomes_a_part(tmp_path):
    writer = MetricWriter(tmp_path, 0, Roll(bytes=1 << 30, seconds=0.0, least=500))
    for step in range(20):
        writer.log({"m": float(step)}, step)
    wait_for_rolls(writer)
    assert any(not about.is_journal for about in sources(tmp_path))
    assert steps(tmp_path) == list(range(20))
    writer.close()


def test_there_are_few_files_however_long_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(roll, "FANOUT", 3)
    writer = MetricWriter(tmp_path, 0, Roll(bytes=200, seconds=3600, least=100))
    running = RunningSummary(tmp_path, {"metric": "m", "direction": "maximize"})
    for step in range(250):
        writer.log({"m": float(step), "n": -1.0}, step)
        wait_for_rolls(writer)
        if step % 50 == 0:
            running.refresh()
            assert running.metrics["m"]["count"] == step + 1
            assert running.objective["best"] == step
            assert running.objective["at_best"] == {"n": -1.0}
    found = sources(tmp_path)
    assert max(about.level for about in found) == LEVELS - 1
    assert all(sum(about.level == level for about in found) < 3 for level in range(LEVELS - 1))
    assert steps(tmp_path) == list(range(250))
    running.refresh()
    writer.close()
    merge(tmp_path)
    summary = read_summary(tmp_path)
    assert (summary["metrics"], summary["rows"]) == (running.metrics, 500)


def test_the_training_thread_never_waits_for_a_roll(tmp_path, monkeypatch):
    begun, may_end = threading.Event(), threading.Event()

    def slowly(*arguments):
        begun.set()
        assert may_end.wait(20)
        return make_part(*arguments)

    monkeypatch.setattr(roll, "make_part", slowly)
    writer = MetricWriter(tmp_path, 0, SMALL)
    for step in range(200):
        writer.log({"m": float(step)}, step)
    assert begun.wait(20)
    assert steps(tmp_path) == list(range(200))
    merge(tmp_path)  # Leaves alone what is being rolled, and what is to be.
    assert all(about.is_journal for about in sources(tmp_path))
    may_end.set()
    writer.close()
    assert steps(tmp_path) == list(range(200))


def test_a_roll_that_fails_costs_no_row_and_one_warning(tmp_path, caplog, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(roll, "make_part", fail)
    writer = MetricWriter(tmp_path, 0, SMALL)
    for step in range(200):
        writer.log({"m": float(step)}, step)
    writer.close()
    assert caplog.text.count("stay in journal files") == 1
    assert steps(tmp_path) == list(range(200))
    merge(tmp_path)
    assert steps(tmp_path) == list(range(200))


FORK = """
import os, sys, threading
from pathlib import Path
from hyperherd.metrics.writer import MetricWriter, Roll
writer = MetricWriter(Path(sys.argv[1]), 0, Roll(bytes=4000, seconds=3600, least=1000))
children = []
for step in range(2000):
    writer.log({"m": float(step)}, step)
    if step % 200 == 50:  # In the middle of rolls, of the import of pyarrow too.
        child = os.fork()
        if not child:
            import pyarrow, pyarrow.compute
            for own in range(100):
                writer.log({f"child{step}": float(own)}, own)
            assert pyarrow.compute.sum(pyarrow.Table.from_pydict({"a": [1]})["a"]).as_py() == 1
            writer.close()
            os._exit(0)
        children.append(child)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
"""


def test_many_files_are_merged_in_turns(tmp_path, monkeypatch):
    monkeypatch.setattr("hyperherd.metrics.store.sorted_rows.RUN", 10)
    monkeypatch.setattr("hyperherd.metrics.store.sorted_rows.MANY", 3)
    monkeypatch.setattr("hyperherd.metrics.store.parquet.BATCH", 4)
    for attempt in range(8):
        writer = MetricWriter(tmp_path, attempt)
        for step in range(5 * attempt, 5 * attempt + 20):
            writer.log({"m": float(attempt), "n": 1.0}, step)
            writer.log({"m": float(step)}, step)
        writer.close()
        if attempt % 2:
            (name,) = [str(about) for about in sources(tmp_path) if about.attempt == attempt]
            make_part(TrialPaths(tmp_path).metrics, [name], 0)
    before = read_metrics(tmp_path, raw=True).to_pylist()
    assert steps(tmp_path) == list(range(55))
    merge(tmp_path, {"metric": "m", "direction": "maximize"})
    assert read_metrics(tmp_path, raw=True).to_pylist() == before
    assert read_metrics(tmp_path, ["m"])["value"].to_pylist() == [float(step) for step in range(55)]
    assert read_summary(tmp_path)["objective"]["at_best"] == {"n": 1.0}


@pytest.mark.slow
def test_forks_during_rolls(tmp_path):
    code = "import warnings; warnings.simplefilter('ignore')\n" + FORK
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=PATIENCE)
    table = read_metrics(tmp_path, raw=True)
    assert (table.num_rows, skipped(table)) == (2000 + 10 * 100, 0)
    merge(tmp_path)
    assert read_metrics(tmp_path, raw=True).num_rows == 2000 + 10 * 100
    assert not TrialPaths(tmp_path).metrics.exists()


def test_the_interpreter_ends_while_something_is_rolled(tmp_path):
    code = """if True:
        import sys
        from pathlib import Path
        from hyperherd.metrics.writer import MetricWriter, Roll
        writer = MetricWriter(Path(sys.argv[1]), 0, Roll(bytes=20000, seconds=3600, least=1000))
        for step in range(1000):
            writer.log({"m": float(step)}, step)
        """
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, timeout=PATIENCE, capture_output=True
    )
    assert done.stderr == b""
    assert steps(tmp_path) == list(range(1000))


ROLL_AND_DIE = (
    DYING
    + """
from pathlib import Path
from hyperherd.metrics.rows.sources import list_sources
from hyperherd.metrics.consolidate.roll import make_part
from hyperherd.metrics.store import sorted_rows
from hyperherd.metrics.summary import of_rows

for operation, folder in enumerate(sys.argv[2:]):
    child = os.fork()
    if not child:
        names = [name for name, about in list_sources(Path(folder)).items() if about.level == int(sys.argv[1])]
        make_part(Path(folder), names, int(sys.argv[1]) + 1, Dying(operation))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
)


@pytest.mark.parametrize("level", [-1, 0])
def test_a_kill_between_any_two_operations_of_a_roll(tmp_path, level):
    trial = tmp_path / "trial"
    for attempt in range(2):
        writer = MetricWriter(trial, attempt)
        for step in range(3 * attempt, 8):
            writer.log({"m": float(step)}, step)
        writer.log_final({"x": attempt})
        writer.close()
        if level == 0:
            for about in sources(trial):
                if about.is_journal:
                    make_part(TrialPaths(trial).metrics, [str(about)], 0)
    expected = read_metrics(trial, raw=True).to_pylist()
    copies = [tmp_path / str(operation) for operation in range(8)]
    for copy in copies:
        shutil.copytree(trial, copy)
    folders = [str(TrialPaths(copy).metrics) for copy in copies]
    code = [sys.executable, "-W", "ignore", "-c", ROLL_AND_DIE, str(level), *folders]
    died = [
        int(line) for line in subprocess.run(code, capture_output=True, check=True, timeout=PATIENCE).stdout.split()
    ]
    assert died.count(9) == 6  # Created, synced, renamed, the folder synced; two sources deleted.
    for copy in copies:
        for _ in range(2):
            assert read_metrics(copy, raw=True).to_pylist() == expected
            assert read_final(copy) == {"x": 1}
            merge(copy)
        assert sorted(path.name for path in copy.iterdir()) == [".hyperherd", "metrics.parquet"]
        assert not TrialPaths(copy).metrics.exists()


LOG_AND_ROLL = """
import itertools, os, sys
from pathlib import Path
from hyperherd.metrics.consolidate import roll
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.writer import MetricWriter, Roll
import hyperherd.metrics.store.sorted_rows, hyperherd.metrics.summary.of_rows
roll.FANOUT = 3
trial, attempt, first = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
writer = MetricWriter(trial, attempt, Roll(bytes=4000, seconds=3600, least=500))
for step in itertools.count(first):
    writer.log({"m": float(step), "n": -1.0}, step)
    os.write(1, b"%d\\n" % step)
    if step % 500 == 499:
        writer.close()
        merge(trial)
"""


def killed_at_random(trial: Path, attempt: int, first: int, generator: random.Random) -> int:
    """Let a process log, roll and merge, and kill it; return the last step it acknowledged."""
    code = [sys.executable, "-c", LOG_AND_ROLL, str(trial), str(attempt), str(first)]
    with subprocess.Popen(code, stdout=subprocess.PIPE) as process:
        told = process.stdout.readline()
        time.sleep(generator.uniform(0, 0.12))
        process.send_signal(signal.SIGKILL)
        told += process.stdout.read()
    return int(told[: told.rfind(b"\n")].split()[-1])


def check_kills(trial: Path, kills: int, seed: int) -> None:  # tests/chaos/rolling.py does it hundreds of times
    """After each kill every acknowledged row is there once, and none that was not logged."""
    generator = random.Random(seed)
    first = 0
    for attempt in range(kills):
        last = killed_at_random(trial, attempt, first, generator)
        table = read_metrics(trial, raw=True)
        found = {metric: [] for metric in ("m", "n")}
        for metric, step in zip(table["metric"].to_pylist(), table["step"].to_pylist(), strict=True):
            found[metric].append(step)
        for metric in found:
            assert found[metric] == list(range(len(found[metric])))
            assert last < len(found[metric])
        assert skipped(table) == 0
        first = len(found["m"])


@pytest.mark.slow
def test_kills_at_random_instants_while_rolling_and_merging(tmp_path):
    check_kills(tmp_path, 12, seed=1)


def check_reading_for(trial: Path, seconds: float) -> int:
    code = [sys.executable, "-c", LOG_AND_ROLL, str(trial), "0", "0"]
    reads, least, end = 0, 0, time.monotonic() + seconds
    with subprocess.Popen(code, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        threading.Thread(target=process.stdout.read, daemon=True).start()
        while not reads or time.monotonic() < end:
            table = read_metrics(trial, ["m"], raw=True)
            found = table["step"].to_pylist()
            assert found == list(range(len(found)))
            assert table["value"].to_pylist() == [float(step) for step in found]
            assert len(found) >= least
            least, reads = len(found), reads + 1
        process.kill()
    return reads


def test_reading_while_another_process_rolls_and_merges(tmp_path):
    assert check_reading_for(tmp_path, 2.0) > 0


def test_an_emptied_trial_directory_costs_what_was_in_it_and_no_more(tmp_path, caplog):
    trial = tmp_path / "trial"
    writer = MetricWriter(trial, 0, SMALL)
    for step in range(5):
        writer.log({"m": float(step)}, step)
    shutil.rmtree(trial)
    for step in range(5, 200):
        writer.log({"m": float(step)}, step)
    writer.close()
    assert "was deleted while it was being written" in caplog.text
    found = steps(trial)
    assert len(found) > 150
    assert found[-1] == 199


def test_a_dead_process_that_nobody_has_buried_is_dead(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    about = SourceName(0, this_host(), child.pid, "a")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not about.may_be_alive
    child.wait()


MERGE_AND_TELL_PEAK = """
import re, sys
from pathlib import Path
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.store import sorted_rows
sorted_rows.RUN = 1 << 15
merge(Path(sys.argv[1]))
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the peak of memory")
def test_memory_does_not_grow_with_the_rows(tmp_path):
    peaks = []
    for count in (50_000, 500_000):
        trial = tmp_path / str(count)
        TrialPaths(trial).metrics.mkdir(parents=True)
        name = str(SourceName(0, this_host(), 2**22 + 1, "a"))  # A process that cannot be.
        lines = (f'{{"ts":{step}.5,"step":{step},"metrics":{{"m":0.5}}}}\n' for step in range(count))
        (TrialPaths(trial).metrics / name).write_text("".join(lines))
        code = [sys.executable, "-c", MERGE_AND_TELL_PEAK, str(trial)]
        peaks.append(int(subprocess.run(code, check=True, capture_output=True).stdout) / 1024)
        assert read_metrics(trial).num_rows == count
    assert peaks[1] - peaks[0] < 60  # All rows at once are 100 MB more.
