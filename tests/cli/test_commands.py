"""The commands about trials, as a user, a pipe and a program see them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import starting
from cli.test_main import ESCAPE, HERD_RESULTS, environment, pipe, terminal
from conftest import App, wait_for
from results.builder import SweepBuilder, every_state
from waiting import PATIENCE, until

from hyperherd import load
from hyperherd.cli.command_names import COMMANDS
from hyperherd.cli.main import main

EVIL = "\x1b[2J\x1b]0;x\x07\u202e<script>alert(1)</script>"


def strictly(text: str) -> Any:
    return json.loads(text, parse_constant=pytest.fail)


@pytest.fixture
def states(tmp_path: Path) -> Path:
    return every_state(tmp_path / "multirun" / "s").dir.parent


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A sweep in which every text that a run can choose tries to steer the terminal."""
    sweep = SweepBuilder(tmp_path / "evil\x1b[31m")
    for seed in range(3):
        sweep.trial({f"acc{EVIL}": seed / 10}, {"t": EVIL}, params={f"p{EVIL}": f"{EVIL}{seed % 2}", "seed": seed})
    sweep.failed(error=EVIL, params={f"p{EVIL}": EVIL, "seed": 9})
    log = sweep.dir / "0" / ".hyperherd" / "logs"
    log.mkdir()
    (log / "attempt-0.out").write_text(f"{EVIL}\n")
    (log / "attempt-0.err").write_text(f"{EVIL}\n")
    return sweep.dir


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an app that has swept lr, model and seed; one configuration failed with two of its seeds."""
    app = App(tmp_path_factory.mktemp("swept"))
    app.write(
        """
        from hyperherd import log_result
        print("\\x1b[31mlr is\\x1b[0m", cfg.lr)
        print("warned", file=sys.stderr)
        if cfg.lr == 0.3 and cfg.model == "cnn" and cfg.seed < 2:
            raise ValueError(f"loss is nan with seed {cfg.seed % 1}")
        for step in range(3):
            log_result("val/acc", cfg.lr + 0.01 * (cfg.model == "cnn") + cfg.seed / 1e3 - 1 / (step + 2), step=step)
        """,
        "lr: 0.1\nmodel: cnn\nseed: 0\nepochs: 5\n",
    )
    app.sweep("lr=0.1,0.2,0.3", "model=cnn,mlp", "seed=0,1,2", code=1)
    return app.folder


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_light(command: str) -> None:
    program = "import sys; from hyperherd.cli.main import main\ntry: main([sys.argv[1], '--help'])\n"
    program += "except SystemExit: pass\n"
    program += "print(*sorted(name.partition('.')[0] for name in sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program, command], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.startswith(f"usage: herd-results {command}")
    heavy = {"pyarrow", "hydra", "omegaconf", "numpy", "pandas", "yaml", "duckdb", "orjson", "antlr4", "shtab"}
    assert heavy.isdisjoint(done.stderr.split())
    assert command in COMMANDS


@pytest.mark.parametrize("command", ["failures", "effects", "best", "show", "diff", "compare"])
def test_statistics_need_no_arrow(states: Path, command: str) -> None:
    program = "import sys; from hyperherd.cli.main import main; main(sys.argv[1:])\n"
    program += "print(*sorted(name.partition('.')[0] for name in sys.modules), file=sys.stderr)"
    words = {"show": ["1"], "diff": ["0", "1"], "compare": ["lr=0.1", "lr=0.01"]}.get(command, [])
    done = subprocess.run(
        [sys.executable, "-c", program, command, states, *words], capture_output=True, text=True, timeout=PATIENCE
    )
    assert {"pyarrow", "hydra", "omegaconf", "numpy", "duckdb"}.isdisjoint(done.stderr.split()), done.stderr


@pytest.mark.slow
def test_effects(swept: Path) -> None:
    done = pipe("effects", cwd=swept)
    assert (done.returncode, done.stderr) == (0, "")
    assert "model: cnn ahead of mlp in 7/7 pairs" in done.stdout, done.stdout
    record = strictly(pipe("effects", "-f", "json", cwd=swept).stdout)
    assert [item["parameter"] for item in record["parameters"]] == ["lr", "model"]
    assert (record["trials"], record["left_out"], record["seeds"]) == (16, 2, ["seed"])
    assert record["noise"]["freedom"] == 10
    only = strictly(pipe("effects", "lr=0.1,0.2", "--seed-key", "model", "-f", "json", cwd=swept).stdout)
    assert (only["trials"], only["seeds"]) == (12, ["model"])
    assert pipe("effects", cwd=swept, PYTHONIOENCODING="ascii").stdout.isascii()


def test_failures(swept: Path) -> None:
    done = pipe("failures", cwd=swept)
    assert (done.returncode, done.stderr) == (0, "")
    assert "all have lr=0.3 model=cnn; so do 1 of 16 finished trials" in done.stdout
    record = strictly(pipe("failures", "-f", "json", cwd=swept).stdout)
    (group,) = record["groups"]
    assert (group["kind"], [trial["number"] for trial in group["trials"]]) == ("ValueError", [12, 13])
    assert group["shared"] == {"settings": {"lr": 0.3, "model": "cnn"}, "finished": 1, "of": 16}
    assert record["again"][0]["cwd"] == str(swept)
    page = terminal(100, "failures", swept / "multirun")
    assert f"{ESCAPE}31m✗{ESCAPE}0m ValueError: loss is nan" in page
    assert max(map(len, page.split("\n\n")[0].splitlines())) <= 100


def test_best(swept: Path) -> None:
    done = pipe("best", "-k", 2, cwd=swept)
    assert (done.returncode, done.stderr) == (0, "")
    assert "overrides  lr=0.3 model=mlp" in done.stdout
    record = strictly(pipe("best", "-k", 2, "-f", "json", cwd=swept).stdout)
    assert [winner["overrides"] for winner in record["winners"]] == [["lr=0.3", "model=mlp"], ["lr=0.2", "model=cnn"]]
    worst = strictly(pipe("best", "-m", "val/acc:max", "--direction", "min", "-f", "json", cwd=swept).stdout)
    assert worst["winners"][0]["overrides"] == ["lr=0.1", "model=mlp"]


@pytest.mark.slow
def test_the_sweep_that_adds_seeds(app: App) -> None:
    app.write(
        'from hyperherd import log_result; log_result("val/acc", cfg.lr - len(cfg.text))',
        "lr: 0.1\ntext: x\nseed: 0\n",
    )
    sweep = app.sweep("lr=0.1,0.2", "text='a b','c \\'d\\' $e'", "seed=0,1")
    before = load(sweep.dir)
    printed = pipe("best", "--seeds", "5..6", cwd=app.folder)
    assert printed.returncode == 0
    assert printed.stdout.count("\n") == 1
    assert len(load(sweep.dir)) == len(before)
    done = pipe("best", "--seeds", "5..6", "--run", cwd=app.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(printed.stdout)
    after = load(sweep.dir)
    assert len(after) == len(before) + 2
    best = after.seeds().best()
    assert best.settings == {"lr": 0.2, "text": "a b"}
    assert [trial.params["seed"] for trial in best.counted] == [0, 1, 5, 6]
    record = strictly(pipe("best", "--seeds", "7", "-f", "json", cwd=app.folder).stdout)
    assert "seed=choice(7)" in record["commands"][0]["argv"]
    assert pipe("best", "--run", cwd=app.folder).returncode == 2
    wrong = pipe("best", "--seeds", "five", cwd=app.folder)
    assert (wrong.returncode, "is not a list of seeds; use e.g. 5..9 or 1,2,5-9" in wrong.stderr) == (2, True)


@pytest.mark.slow
def test_only_seeds_that_are_not_there_are_added(app: App) -> None:
    """The seed that the config has by default counts, and so does one that an earlier call has added."""
    app.write('from hyperherd import log_result; log_result("val/acc", cfg.lr)', "lr: 0.1\nseed: 1\n")
    sweep = app.sweep("lr=0.1,0.2")
    record = strictly(pipe("best", "--seeds", "0..2", "-f", "json", cwd=app.folder).stdout)
    assert [item for item in record["commands"][0]["argv"] if "seed=" in item] == ["seed=0,2"]
    assert pipe("best", "--seeds", "0..1", "--run", cwd=app.folder).returncode == 0
    best = load(sweep.dir).seeds().best()
    assert (best.planned, len(best.trials), best.superseded) == (2, 2, ())
    none = pipe("best", "--seeds", "0..1", "--run", cwd=app.folder)
    assert (none.returncode, none.stdout) == (0, "")
    assert none.stderr == "herd-results: the configuration of trial 1 already has all of these seeds: 0..1\n"


@pytest.mark.slow
def test_a_sweep_that_fails_says_so(app: App) -> None:
    app.write(
        'from hyperherd import log_result; log_result("val/acc", cfg.lr); assert cfg.seed < 5', "lr: 1\nseed: 0\n"
    )
    app.sweep("lr=0.1,0.2")
    assert pipe("best", "--seeds", "5", "--run", cwd=app.folder).returncode == 1


@pytest.mark.slow
def test_an_interrupt_is_answered_by_the_sweep(app: App) -> None:
    app.write(
        """
        from hyperherd import log_result
        log_result("val/acc", cfg.lr)
        if cfg.seed == 5:
            print("now I sleep", flush=True)
            time.sleep(600)
        """,
        "lr: 1\nseed: 0\n",
    )
    sweep = app.sweep("lr=0.1,0.2")
    process = starting.start(
        [*HERD_RESULTS, "best", "--seeds", "5", "--run"],
        cwd=app.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_for(process, "now I sleep")
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert load(sweep.dir)[-1].state.value == "cancelled"


def test_show(swept: Path) -> None:
    done = pipe("show", "multirun/s/12", cwd=swept)
    assert (done.returncode, done.stderr) == (0, "")
    for text in (
        "trial 12 of s: failed (exception)",
        "lr=0.3  model=cnn  seed=0",
        "Traceback",
        "epochs=5",
        "lr is 0.3",
    ):
        assert text in done.stdout
    assert "warned" in done.stdout
    record = strictly(pipe("show", "2", "-f", "json", "-n", 1, cwd=swept).stdout)
    assert record["config"]["epochs"] == 5
    assert record["metrics"]["val/acc"]["max_step"] == 2
    assert record["provenance"]["python"] == f"{sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]}"
    assert [attempt["number"] for attempt in record["attempts"]] == [0]
    assert len(record["log"]["stdout"]) == 1
    assert any(item["path"].endswith("metrics.parquet") and item["bytes"] > 0 for item in record["files"])
    assert "lr is" not in pipe("show", "2", "-n", 0, cwd=swept).stdout


@pytest.mark.parametrize("number", range(13))
def test_show_in_every_state(states: Path, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(states), str(number)]) == 0
    assert f"trial {number} of s: " in capsys.readouterr().out
    assert main(["show", str(states), str(number), "-f", "json"]) == 0
    assert strictly(capsys.readouterr().out)["number"] == number


@pytest.mark.slow
def test_show_what_hydra_alone_wrote(plain: Path) -> None:
    page = pipe("show", plain / "multirun", "0").stdout
    assert "model.kind=cnn" in page
    assert str(plain / "src" / "train.py") in page


def test_diff(swept: Path) -> None:
    page = pipe("diff", "0", "4", cwd=swept).stdout
    assert "identical in both: config, code, environment" in page
    record = strictly(pipe("diff", "multirun/s/0", "multirun/s/4", "-f", "json", cwd=swept).stdout)
    assert {item["name"]: (item["a"], item["b"]) for item in record["params"]} == {
        "model": ("cnn", "mlp"),
        "seed": (0, 1),
    }


def test_logs(swept: Path) -> None:
    assert pipe("logs", "0", cwd=swept).stdout.splitlines()[0] == "lr is 0.1"
    assert "warned" in pipe("logs", "multirun/s/0", "--stderr", cwd=swept).stdout
    assert pipe("logs", "0", "-n", 1, "--attempt", 0, cwd=swept).stdout.count("\n") == 1
    assert pipe("logs", "0", "--file", "app.log", cwd=swept).returncode == 0
    done = pipe("logs", "0", "--attempt", 7, cwd=swept)
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no log" in done.stderr


def test_following_a_trial_that_runs(app: App) -> None:
    app.write("""
        print("started", flush=True)
        while not os.path.exists("go"): time.sleep(0.02)
        print("and ended", flush=True)
    """)
    process = app.start("-m", "hydra/sweeper=herd", "lr=0.1", "hydra.sweep.dir=multirun/s")
    log = app.folder / "multirun" / "s" / "0" / ".hyperherd" / "logs" / "attempt-0.out"
    until(lambda: log.exists() and "started" in log.read_text(), process)
    follower = follow(app, "logs", "multirun/s/0", "--follow")
    wait_for(follower, "started")
    (app.folder / "go").touch()
    assert follower.communicate(timeout=PATIENCE)[0].splitlines()[0] == "and ended"
    process.communicate(timeout=PATIENCE)


def follow(app: App, *arguments: str) -> subprocess.Popen[str]:
    """Start `herd-results` without waiting; its output comes line by line."""
    command = [*HERD_RESULTS, *arguments]
    return starting.start(
        command, cwd=app.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment()
    )


@pytest.mark.slow
def test_sql(swept: Path) -> None:
    pytest.importorskip("duckdb")
    done = pipe("sql", "select model, count(*) as n from trials group by all order by 1", cwd=swept)
    assert (done.stdout, done.stderr) == ("model\tn\ncnn\t9\nmlp\t9\n", "")
    assert pipe("sql", "select count(*) as n from trials", "model=cnn", cwd=swept).stdout == "n\n9\n"
    assert strictly(pipe("sql", "select 1 as a", "-f", "json", cwd=swept).stdout)["rows"] == [[1]]
    assert "│" not in pipe("sql", "-f", "table", "from trials", "multirun/s", cwd=swept).stdout
    wrong = pipe("sql", "select nope from trials", cwd=swept)
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)


def test_export(swept: Path, tmp_path: Path) -> None:
    done = pipe("export", "-o", tmp_path / "out", "model=cnn", cwd=swept)
    assert done.stdout.splitlines() == [
        str(tmp_path / "out" / f"{name}") for name in ("trials.parquet", "metrics.parquet", "schema.json")
    ]
    again = pipe("export", "-o", tmp_path / "out", cwd=swept)
    assert (again.returncode, "choose another folder" in again.stderr) == (2, True)
    (tmp_path / "file").touch()
    closed = pipe("export", "-o", tmp_path / "file" / "x", cwd=swept)
    assert (closed.returncode, "cannot write" in closed.stderr) == (1, True)


def test_watching_a_sweep(app: App) -> None:
    app.write("""
        while not os.path.exists("go"): time.sleep(0.02)
        assert cfg.lr < 0.3
    """)
    process = app.start("-m", "hydra/sweeper=herd", "lr=0.1,0.2,0.3", "hydra.sweep.dir=multirun/s")
    until((app.folder / "multirun" / "s" / ".hyperherd" / "trials.jsonl").exists, process)
    watcher = follow(app, "watch", "--every", "0.1")
    wait_for(watcher, '"running"')
    (app.folder / "go").touch()
    told, _ = watcher.communicate(timeout=PATIENCE)
    process.communicate(timeout=PATIENCE)
    records = list(map(strictly, told.splitlines()))
    assert watcher.returncode == 1
    assert records[-1]["event"] == "end"
    assert records[-1]["counts"] == {"completed": 2, "failed": 1}
    last = {record["number"]: record["state"] for record in records[:-1]}
    assert last == {0: "completed", 1: "completed", 2: "failed"}


def test_watching_what_has_ended(swept: Path, sweep_done: Path) -> None:
    page = terminal(100, "watch", sweep_done)
    assert f"{ESCAPE}H" in page
    assert f"{ESCAPE}J" in page
    assert "val/acc" in page
    done = pipe("watch", sweep_done)
    assert (done.returncode, strictly(done.stdout.splitlines()[-1])["ok"]) == (0, True)
    assert pipe("watch", "-f", "table", sweep_done).stdout.count("ranked by") == 1
    assert pipe("watch", swept / "nothing").returncode == 3
    assert pipe("watch", "--every", "0", sweep_done).returncode == 2


@pytest.fixture
def sweep_done(tmp_path: Path) -> Path:
    sweep = SweepBuilder(tmp_path / "done")
    sweep.trial({"val/acc": 0.5}, params={"lr": 1})
    return sweep.dir


def commands(folder: Path) -> Iterator[list[str]]:
    where = str(folder)
    yield from ([name, where] for name in ("failures", "effects", "best"))
    yield from (["show", where, number] for number in "03")
    yield ["diff", where, "0", "3"]
    yield ["compare", "seed=0", "seed=1,2", where, "--metric", f"acc{EVIL}", "--direction", "max"]
    yield ["logs", where, "0"]
    yield ["logs", where, "0", "--stderr"]
    yield ["watch", where]
    yield ["sql", "from trials", where]
    yield ["sql", "from configs", where]
    yield ["best", "--seeds", "5", where]


@pytest.mark.slow
def test_hostile_texts_are_inert_everywhere(hostile: Path) -> None:
    for arguments in commands(hostile):
        done = (
            pipe(*arguments, "-m", f"acc{EVIL}", "--direction", "max")
            if arguments[0] in ("best", "effects")
            else pipe(*arguments)
        )
        assert done.returncode in (0, 1), (arguments, done.stderr)
        text = done.stdout + done.stderr
        assert "Traceback (most" not in text.replace("Traceback ...", ""), text
        assert all(cell.isprintable() for line in text.splitlines() for cell in line.split("\t")), (arguments, text)


@pytest.mark.slow
def test_ascii_and_no_colour(swept: Path) -> None:
    for arguments in (["failures"], ["effects"], ["best"], ["show", "12"], ["diff", "0", "1"]):
        done = pipe(*arguments, cwd=swept, PYTHONIOENCODING="ascii")
        assert (done.returncode, done.stdout.isascii()) == (0, True)
        words = [arguments[0], swept / "multirun", *arguments[1:]]
        assert ESCAPE not in terminal(80, *words, NO_COLOR="1")
        assert ESCAPE in terminal(80, *words)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show"], 2, "the following arguments are required: TRIAL"),
        (["show", "99"], 3, "no trial 99 under multirun; available: 0, 1, 2, 3, ... 17"),
        (["show", "multirun/s"], 2, "multirun/s has 18 trials; add the number of one: multirun/s 0"),
        (["show", "multirun/x/3"], 3, "multirun/x/3 does not exist"),
        (["diff", "0"], 2, "give 2 trials"),
        (["best", "-m", "val/ac"], 2, "did you mean 'val/acc'?"),
        (["effects", "modle=cnn"], 2, "did you mean 'model'?"),
        (["failures", "lr=7"], 3, "none of 18 trials matches lr=7"),
        (["effects", "--seed-key", "sed"], 2, "no parameter is called sed"),
        (["export"], 2, "-o/--output"),
        (["sql"], 2, "QUERY"),
        (["best", "-k", "x"], 2, "'x' is not a whole number"),
    ],
)
def test_errors(swept: Path, arguments: list[str], code: int, message: str) -> None:
    done = pipe(*arguments, cwd=swept)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr.splitlines()[-1]


def test_a_reader_that_has_seen_enough(swept: Path) -> None:
    line = f"{' '.join(map(str, HERD_RESULTS))} show 0 -f json | head -c 5"
    done = subprocess.run(
        ["bash", "-c", line], cwd=swept, capture_output=True, text=True, env=environment(), timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, "")
