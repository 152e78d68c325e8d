"""All benchmarks, or some, in one dated report: what each prints, with machine, versions and processor time.

    python -m benchmarks                             # all of them, at full size: more than an hour
    python -m benchmarks --quick                     # small sizes, without what takes long to install: minutes
    python -m benchmarks expansion results --quick   # some of them
    python -m benchmarks --docs                      # and show the report at the end of docs/benchmarks.md

From the root of the repository, with the Python that has the package and its test dependencies. Peers that need other
versions than we do get an environment of their own, made once in --environments. A benchmark that cannot run here (no
Slurm, say) is a line with the reason.
"""

from __future__ import annotations

import argparse
import ast
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import hyperherd

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- begin: python -m benchmarks --docs -->", "<!-- end -->"
SHOWN = (
    "hydra-core",
    "omegaconf",
    "pyarrow",
    "orjson",
    "numpy",
    "torch",
    "pytorch-lightning",
    "optuna",
    "pandas",
    "duckdb",
)


@dataclass(frozen=True)
class Benchmark:
    """One way to run a script of this folder.

    Attributes:
        script: its name, without `.py`.
        full: its arguments at full size; `{peers}` is the Python of the peers' environment.
        quick: those at a small size; None leaves it out.
        peers: what is installed for the peers, in an environment of their own.
    """

    script: str
    full: Sequence[str] = ()
    quick: Sequence[str] | None = ()
    peers: Sequence[str] = ()


OPTUNA_SWEEPER = (
    "hydra-optuna-sweeper",
    "hydra-joblib-launcher",
    "hydra-core==1.3.*",
    "sqlalchemy<2",
    "alembic<1.14",
)
"""What its stable release works with."""

ALL = (
    Benchmark("log_calls", quick=("bare", "ours", "first")),
    Benchmark("log_values", quick=None),
    Benchmark("longest_call", quick=None),
    Benchmark("callbacks", quick=("1",)),
    Benchmark("read_trials", ("1000",), ("100",)),
    Benchmark(
        "results",
        ("1000", "10000", "--peers", "{peers}"),
        ("100",),
        ("tensorboard", "mlflow", "sqlalchemy", "pandas"),
    ),
    Benchmark("planning", quick=None),
    Benchmark("expansion", quick=("2000",)),
    Benchmark(
        "launching", quick=("--launchers", "herd_local", "basic", "joblib", "--trials", "8", "--repetitions", "1")
    ),
    Benchmark("watching", quick=("--trials", "200", "--running", "40", "--seconds", "5")),
    Benchmark("slurm", quick=("--trials", "10", "--repetitions", "1", "--measures", "submission")),
    Benchmark("workers", quick=("--trials", "10", "--ways", "herd_slurm, one job per trial", "herd_slurm, 2 workers")),
    Benchmark("sampler", ("quality",), ("quality", "--seeds", "2")),
    Benchmark("sampler", ("wall", "--peer", "{peers}"), None, OPTUNA_SWEEPER),
    Benchmark("pruning", ("10", "{peers}"), ("1",), ("ray[tune]", "optuna")),
    Benchmark("best", quick=("20",)),
    Benchmark("compare", quick=("20",)),
    Benchmark("what_matters", quick=("null", "--draws", "10")),
)


@dataclass
class Ran:
    """What one run of a script printed and cost."""

    benchmark: Benchmark
    arguments: Sequence[str]
    printed: str = ""
    failed: str = ""
    wall: float = 0.0
    cpu: float = 0.0


def peers_python(benchmark: Benchmark, folder: Path) -> Path:
    """Return the Python of the environment that a benchmark's peers have, which is made if it is not there."""
    name = "-".join([benchmark.script, *benchmark.full[:1]])
    python = folder / name / "bin" / "python"
    if not (folder / name / "complete").exists():
        venv.create(folder / name, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *benchmark.peers], check=True)
        (folder / name / "complete").touch()
    return python


def run(benchmark: Benchmark, environments: Path, *, quick: bool) -> Ran:
    """Run a script, and return what came of it; its own words, if it could not run."""
    arguments = list((benchmark.quick if quick else benchmark.full) or ())
    ran = Ran(benchmark, arguments)
    if "{peers}" in arguments:
        try:
            python = str(peers_python(benchmark, environments))
        except (OSError, subprocess.CalledProcessError) as error:
            ran.failed = f"its peers cannot be installed: {error}"
            return ran
        arguments = [python if word == "{peers}" else word for word in arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, f"benchmarks/{benchmark.script}.py", *arguments],
        cwd=HERE.parent,
        env=environment,
        capture_output=True,
        text=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran.wall = time.perf_counter() - begun
    ran.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    ran.printed = done.stdout.strip("\n")
    if done.returncode:
        ran.failed = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return ran


def section(ran: Ran) -> Iterator[str]:
    """Yield the lines that show one run."""
    script = ran.benchmark.script
    told = ast.get_docstring(ast.parse((HERE / f"{script}.py").read_text())) or ""
    words = " ".join(
        ["python", f"benchmarks/{script}.py", *(f'"{word}"' if " " in word else word for word in ran.arguments)]
    )
    yield f"### {script.replace('_', ' ')}{f', {ran.arguments[0]}' if script == 'sampler' else ''}\n"
    yield f"{told.splitlines()[0]} `{words}`: {ran.wall:.0f} s, {ran.cpu:.0f} s of CPU.\n"
    if ran.printed:
        # Tables of Markdown stand as they are; others keep their columns.
        yield f"{ran.printed}\n" if "|--" in ran.printed else f"```text\n{ran.printed}\n```\n"
    if ran.failed:
        yield f"It did not end: {ran.failed}\n"


def about_machine() -> str:
    """Return what the figures depend on."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"
    describe = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(describe, cwd=HERE, capture_output=True, text=True).stdout.strip()
    ours = f"hydra-hyperherd {hyperherd.__version__}" + (f" ({commit})" if commit else "")
    others = ", ".join(f"{name} {found}" for name in SHOWN if (found := _version(name)))
    load = f"load {os.getloadavg()[0]:.1f} when it began"
    return f"{model}, {cores}; {load}. Python {platform.python_version()}, {ours}, {others}."


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def report(rans: Sequence[Ran], about: str, names: Sequence[str], *, quick: bool) -> str:
    """Return the whole report."""
    sizes = "at small sizes (`--quick`): each figure is of few repetitions" if quick else "at full size"
    command = " ".join(["python -m benchmarks", *names, *(["--quick"] if quick else [])])
    head = f"## The newest report\n\n{time.strftime('%Y-%m-%d')}, `{command}`, {sizes}. {about}\n"
    return "\n".join([head, *(line for ran in rans for line in section(ran))])


def show_in_docs(text: str, page: Path = PAGE) -> None:
    """Put a report in the place of the one before, at the end of the page."""
    written = page.read_text()
    before = written.split(BEGIN)[0].rstrip()
    page.write_text(f"{before}\n\n{BEGIN}\n\n{text.rstrip()}\n\n{END}\n")


def main() -> None:
    """Run what is asked for, and write the report after each part."""
    scripts = list(dict.fromkeys(one.script for one in ALL))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(scripts)}; all of them by default")
    parser.add_argument("--quick", action="store_true", help="small sizes, and no environments for peers")
    parser.add_argument("-o", "--output", type=Path, help="the report; by default benchmarks-DATE.md here")
    parser.add_argument("--docs", action="store_true", help="show the report in docs/benchmarks.md")
    parser.add_argument("--environments", type=Path, help="a folder to keep the peers' environments in")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in scripts]:
        parser.error(f"{unknown[0]!r} is not a benchmark; there are {', '.join(scripts)}")
    output = given.output or Path(f"benchmarks-{time.strftime('%Y-%m-%d')}.md")
    chosen = [one for one in ALL if not given.names or one.script in given.names]
    left_out = [one for one in chosen if given.quick and one.quick is None]
    about, rans = about_machine(), []
    with tempfile.TemporaryDirectory() as name:
        for benchmark in chosen:
            if benchmark in left_out:
                continue
            print(f"{benchmark.script} ...", flush=True)
            rans.append(run(benchmark, given.environments or Path(name), quick=given.quick))
            told = rans[-1].failed or f"{rans[-1].wall:.0f} s"
            print(f"{benchmark.script}: {told}", flush=True)
            output.write_text(report(rans, about, given.names, quick=given.quick))
    for benchmark in left_out:
        print(f"{benchmark.script} {' '.join(benchmark.full[:1])}: left out by --quick")
    if given.docs:
        show_in_docs(report(rans, about, given.names, quick=given.quick))
    print(f"written: {output}")
    if any(ran.failed for ran in rans):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
