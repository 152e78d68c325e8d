"""The sweep as a user runs it: the real command, in a folder of its own."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys

import pytest
import yaml
from conftest import App, wait_for
from waiting import PATIENCE

from hyperherd.paths import SweepPaths, TrialPaths
from hyperherd.records.events import read_events
from hyperherd.records.sweep import SweepRecord


def test_a_sweep_starts_without_what_its_end_is_shown_with() -> None:
    program = "import sys, hyperherd.sweep.run; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    late = ("curves", "pages", "report", "tables", "statistics.comparison", "statistics.importance")
    assert not [name for name in loaded if name.startswith(tuple(f"hyperherd.results.{room}" for room in late))]
    assert "pyarrow" not in loaded


def test_two_values_are_two_trials_with_all_their_files(app: App) -> None:
    app.write("print('hello'); os.system('echo from a child')")
    sweep = app.sweep("lr=0.01,0.1")
    assert sweep.states == {0: "completed", 1: "completed"}
    assert [trial.params for trial in sweep.planned] == [{"lr": 0.01}, {"lr": 0.1}]
    trial = TrialPaths(sweep.dir / "1")
    assert yaml.safe_load((trial.hydra / "config.yaml").read_text())["lr"] == 0.1
    assert yaml.safe_load((trial.hydra / "overrides.yaml").read_text()) == ["lr=0.1"]
    assert trial.log(0, "out").read_text().splitlines()[:2] == ["hello", "from a child"]
    assert json.loads(trial.provenance.read_text())["packages"]["hydra-core"]
    assert "hello" in sweep.done.stdout
    record = SweepRecord.read(sweep.dir)
    assert record.script == str(app.script)
    assert record.invocations[0]["argv"][1] == "-m"
    multirun = yaml.safe_load(SweepPaths(sweep.dir).multirun.read_text())
    assert multirun["hydra"]["overrides"]["task"] == ["lr=0.01,0.1"]
    assert not SweepPaths(sweep.dir).lock.exists()


def test_the_end_of_a_sweep_names_the_best_trial_and_its_command(app: App) -> None:
    app.write("from hyperherd import log_result; log_result('val/acc', cfg.lr)")
    sweep = app.sweep("lr=0.1,0.5,0.2")
    told = sweep.done.stdout
    assert "3 completed" in told
    assert "best: trial 1" in told
    assert told.split("best: ")[1].splitlines()[1].strip() == "python app.py lr=0.5"


def test_params_of_the_config_and_the_command_line_make_one_grid(app: App) -> None:
    params = "hydra.sweeper.params={model:'cnn,vit',lr:[0.1,0.2],width:'range(1,3)'}"
    sweep = app.sweep(params, "lr=0.5,0.6")
    assert [trial.params for trial in sweep.planned][:3] == [
        {"model": "cnn", "lr": 0.5, "width": 1},
        {"model": "cnn", "lr": 0.5, "width": 2},
        {"model": "cnn", "lr": 0.6, "width": 1},
    ]
    assert len(sweep.planned) == 8


def test_a_fixed_override_beats_params_and_force(app: App) -> None:
    sweep = app.sweep(
        "hydra.sweeper.params={lr:[0.1,0.2],width:[1,2]}",
        "hydra.sweeper.conditions=[{when:{width:2},force:{lr:7}}]",
        "lr=0.5",
    )
    assert [trial.overrides for trial in sweep.planned] == [("lr=0.5", "width=1"), ("lr=0.5", "width=2")]
    assert "lr=0.5 fixes the parameter lr of the search space" in sweep.done.stdout
    assert "force lr is ignored because of lr=0.5" in sweep.done.stdout


def test_conditions_exclude_force_and_merge(app: App) -> None:
    conditions = [
        {"name": "no wide vit", "when": {"model": "vit", "width": {"gt": 8}}, "exclude": True},
        {"when": {"model": "cnn"}, "force": {"lr": 1.0}},
    ]
    app.write(
        "pass",
        "lr: 1\nmodel: cnn\nwidth: 8\ndefaults: [_self_, {override hydra/sweeper: herd}]\n"
        f"hydra: {{sweeper: {{conditions: {json.dumps(conditions)}}}}}\n",
    )
    sweep = app.sweep("model=cnn,vit", "width=8,16", "lr=0.1,0.2")
    assert [tuple(trial.params.values()) for trial in sweep.planned] == [
        ("cnn", 8, 1.0),
        ("cnn", 16, 1.0),
        ("vit", 8, 0.1),
        ("vit", 8, 0.2),
    ]
    assert "condition 0 (no wide vit), in conf/config.yaml: matched 2: excluded 2" in sweep.done.stdout
    assert "merged 2 duplicate trials" in sweep.done.stdout


def test_one_failure_costs_no_other_trial(app: App) -> None:
    app.write("""
        if cfg.width == 0: raise ValueError("boom <b>")
        if cfg.width == 1: sys.exit(3)
        if cfg.width == 2: sys.exit(0)
        if cfg.width == 3: sys.exit("no data")
    """)
    sweep = app.sweep("width=0,1,2,3,4", code=1)
    assert sweep.states == {0: "failed", 1: "failed", 2: "completed", 3: "failed", 4: "completed"}
    records = sweep.records
    assert (records[0].cause, records[1].cause, records[3].cause) == ("exception", "exit", "exit")
    assert (records[1].exit_code, records[3].exit_code) == (3, 1)
    error = records[0].error
    assert error is not None
    assert (error.type, error.message) == ("ValueError", "boom <b>")
    assert error.traceback.splitlines()[1].strip().startswith(f'File "{app.script}"')
    assert "ValueError: boom <b>" in TrialPaths(sweep.dir / "0").log(0, "out").read_text()
    assert "✗ 0  width=0  ValueError: boom <b>" in sweep.done.stdout
    assert "2 completed, 3 failed" in sweep.done.stdout


def test_the_users_callbacks_see_the_end_of_a_sweep_with_failures(app: App) -> None:
    (app.folder / "marks.py").write_text(
        "from hydra.experimental.callback import Callback\n"
        "class Mark(Callback):\n"
        "    def on_multirun_end(self, config, **kwargs):\n"
        "        print('MULTIRUN END')\n"
    )
    app.write("raise ValueError('boom')")
    sweep = app.sweep("+hydra.callbacks.mark._target_=marks.Mark", "lr=1,2", code=1)
    assert sweep.done.stdout.count("MULTIRUN END") == 1


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
        (signal.SIGUSR2, 140),  # one of those that a scheduler sends to a sweep that is a job itself
    ],
)
def test_an_interrupted_sweep_closes_its_books(app: App, number: signal.Signals, code: int) -> None:
    app.write("print('STARTED', flush=True); time.sleep(600)")
    process = app.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s", "lr=1,2")
    wait_for(process, "STARTED")
    process.send_signal(number)
    told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, told
    assert "2 cancelled" in told
    assert "Traceback" not in told
    events = read_events(app.folder / "multirun/s")
    assert [(event.event, event.number) for event in events][-1] == ("cancelled", 1)
    assert not SweepPaths(app.folder / "multirun/s").lock.exists()
    app.write("pass")
    again = app.run("-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s", "lr=1,2")
    assert "2 completed" in again.stdout, again.stdout + again.stderr


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local"])
def test_through_any_launcher_number_directory_and_environment_agree(app: App, launcher: str) -> None:
    app.write("""
        from hyperherd import log_result
        hydra = HydraConfig.get()
        assert hydra.job.num == int(os.environ["HYPERHERD_TRIAL_ID"]), hydra.job.num
        assert os.environ["HYPERHERD_TRIAL_DIR"] == hydra.runtime.output_dir
        assert os.environ["HYPERHERD_WORKSPACE"] == hydra.sweep.dir
        log_result("lr", cfg.lr)
        if cfg.lr == 2: raise ValueError("boom")
    """)
    sweep = app.sweep("lr=1,2,3", f"hydra/launcher={launcher}", code=1)
    assert sweep.states == {0: "completed", 1: "failed", 2: "completed"}
    assert {number: record.final.get("lr") for number, record in sweep.records.items()} == {0: 1, 1: 2, 2: 3}


def test_a_trial_that_dies_in_its_process_is_lost_and_costs_no_other(app: App) -> None:
    app.write("""
        if cfg.lr == 2:  # joblib kills its other workers too when one dies; let them finish
            first = "multirun/s/0/.hyperherd/trial.json"
            while not os.path.exists(first) or "completed" not in open(first).read(): time.sleep(0.02)
            os.kill(os.getpid(), 9)
    """)
    sweep = app.sweep("lr=1,2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", code=1)
    assert sweep.states[0] == "completed"
    assert "† 1  lr=2  " in sweep.done.stdout
    assert [event.event for event in read_events(sweep.dir)][-1] == "lost"


def test_max_batch_size_hands_over_so_many_at_a_time(app: App) -> None:
    sweep = app.sweep("lr=1,2,3", "hydra.sweeper.max_batch_size=2")
    assert [line.split("] ")[1] for line in sweep.done.stdout.splitlines() if "Launching" in line] == [
        "Launching 2 jobs locally",
        "Launching 1 jobs locally",
    ]


def test_a_nested_subdir_and_chdir_work(app: App) -> None:
    app.write("open('here', 'w').close()")
    sweep = app.sweep("lr=1,2", "hydra.sweep.subdir=a/lr_${lr}", "hydra.job.chdir=true")
    assert [trial.dir for trial in sweep.planned] == ["a/lr_1", "a/lr_2"]
    assert (sweep.dir / "a" / "lr_2" / "here").exists()


def test_a_number_that_is_returned_is_kept_when_nothing_was_logged(app: App) -> None:
    app.write("return cfg.lr * 2")
    assert app.sweep("lr=1").records[0].final == {"return_value": 2}


@pytest.mark.slow
def test_a_trial_may_start_another_hydra_app(app: App) -> None:
    app.write("""
        import subprocess
        if "INNER" not in os.environ:
            inner = [sys.executable, sys.argv[0], "-m", "hydra/sweeper=herd", "hydra.sweep.dir=inner", "lr=5,6"]
            subprocess.run(inner, check=True, env={**os.environ, "INNER": "1"})
    """)
    app.sweep("lr=1")
    assert sorted(path.name for path in (app.folder / "inner").iterdir() if path.name.isdigit()) == ["0", "1"]


@pytest.mark.slow
def test_another_rank_joins_its_trial_and_starts_no_sweep(app: App) -> None:
    """Lightning's way of starting ranks: the same command line again, with Hydra overrides of its own at the end."""
    app.write("""
        import subprocess
        hydra = HydraConfig.get()
        print("RANK", os.environ.get("LOCAL_RANK", "0"), "LR", cfg.lr, "DIR", hydra.runtime.output_dir, flush=True)
        if "LOCAL_RANK" not in os.environ:
            os.environ["LOCAL_RANK"] = "0"
            again = [sys.executable, *sys.argv, f'hydra.run.dir="{hydra.run.dir}"', "hydra.output_subdir=null",
                     "hydra.job.name=train_ddp_process_1"]
            subprocess.run(again, check=True, env={**os.environ, "LOCAL_RANK": "1"})
    """)
    sweep = app.sweep("lr=1,2")
    ranks = [line for line in sweep.done.stdout.splitlines() if line.startswith("RANK")]
    assert ranks == [
        f"RANK {rank} LR {lr} DIR {sweep.dir / str(number)}" for number, lr in enumerate([1, 2]) for rank in (0, 1)
    ]
    assert sorted(path.name for path in (app.folder / "multirun").iterdir()) == ["s"]


@pytest.mark.slow
def test_the_same_script_launched_by_torchrun_in_a_trial_joins_by_its_global_rank(app: App) -> None:
    app.write("""
        import subprocess
        print("RANK", os.environ.get("RANK", "-"), "LR", cfg.lr, flush=True)
        if "RANK" not in os.environ:
            subprocess.run([sys.executable, *sys.argv], check=True, env={**os.environ, "RANK": "1"})
    """)
    assert "RANK 1 LR 1" in app.sweep("lr=1").done.stdout


ERRORS = {
    "unknown parameter in a condition": (
        ["lr=1,2", "hydra.sweeper.conditions=[{when:{widht:8},exclude:true}]"],
        "condition 0, on the command line: there is no parameter or config value 'widht' (did you mean 'width'?)",
    ),
    "nothing left": (
        ["lr=1,2", "hydra.sweeper.conditions=[{when:{lr:[1,2]},exclude:true}]"],
        "no trial remains of 2 grid points: condition 0, on the command line excluded 2",
    ),
    "unknown key": (["boo=1,2"], "trial 0 (boo=1) does not compose: Could not override 'boo'"),
    "interval": (["lr=interval(0,1)"], "parameter 'lr' is a continuous interval"),
    "one directory for two": (
        ["lr=1,2", "hydra.sweep.subdir=same"],
        "trials 0 (lr-1) and 1 (lr-2) would both write to same. Make hydra.sweep.subdir depend on the trial",
    ),
    "direction": (
        ["lr=1,2", "hydra.sweeper.objective={metric:acc,direction:max}"],
        "hydra.sweeper.objective.direction is 'max' (did you mean 'maximize'?)",
    ),
    "objective": (
        ["lr=1,2", "hydra.sweeper.objective=acc"],
        "hydra.sweeper.objective is 'acc'; expected a map such as",
    ),
    "params": (["hydra.sweeper.params=[lr]"], "hydra.sweeper.params is ['lr']; expected a map from names to values"),
    "batch size": (["lr=1", "hydra.sweeper.max_batch_size=0"], "hydra.sweeper.max_batch_size is 0"),
    "hydra in params": (["hydra.sweeper.params={hydra.verbose:[true]}"], "Hydra's own configuration, which cannot"),
    "misspelt setting": (["lr=1", "hydra.sweeper.condition=[]"], "Key 'condition' not in 'HerdSweeperConf'"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", ERRORS)
def test_what_can_be_known_wrong_is_said_before_anything_runs(app: App, case: str) -> None:
    arguments, message = ERRORS[case]
    sweep = app.sweep(*arguments, code=1)
    assert message in sweep.done.stderr
    assert "Traceback" not in sweep.done.stderr
    assert not sweep.dir.exists()


def test_a_directory_of_somebody_else_is_left_alone(app: App) -> None:
    theirs = app.folder / "multirun/s/1/precious.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    sweep = app.sweep("lr=1,2", code=1)
    assert f"{theirs.parent}, where trial 1 (lr-2) is to run, contains other files" in sweep.done.stderr
    assert theirs.read_text() == "mine"
    assert not (sweep.dir / "0").exists()


def test_a_trial_of_another_sweep_in_the_way_is_left_alone(app: App) -> None:
    app.sweep("lr=1,2", to="multirun/other")
    (app.folder / "multirun/s").mkdir()
    (app.folder / "multirun/other/0").rename(app.folder / "multirun/s/0")
    sweep = app.sweep("lr=5,6", code=1)
    assert "multirun/s/0, where trial 0 (lr-5) is to run, contains other files" in sweep.done.stderr


def test_the_command_that_is_told_reproduces_the_trial(app: App) -> None:
    app.write(
        "print('VALUE', cfg.model, HydraConfig.get().mode); from hyperherd import log_result; log_result('acc', 1)"
    )
    sweep = app.sweep("model='a, b','c=d'")
    command = shlex.split(sweep.done.stdout.split("best: ")[1].splitlines()[1])
    done = app.run(*command[2:])
    assert "VALUE a, b RunMode.RUN" in done.stdout, command


def test_interpolations_reach_the_trials_as_they_are_written(app: App) -> None:
    app.write(
        "print('GOT', cfg.lr, cfg.model, cfg.width)",
        "lr: 1\nmodel: a\nwidth: 8\ndefaults: [_self_, {override hydra/sweeper: herd}]\n"
        "hydra: {sweeper: {params: {width: ['${lr}', 9], lr: [1, 2]}}}\n",
    )
    sweep = app.sweep("model=x_${lr}")
    got = [line.split("GOT ")[1] for line in sweep.done.stdout.splitlines() if line.startswith("GOT")]
    assert got == ["1 x_1 1", "2 x_2 2", "1 x_1 9", "2 x_2 9"]


def test_a_value_with_a_target_is_a_value(app: App) -> None:
    app.write("print('GOT', cfg.model)")
    app.sweep("hydra.sweeper.params={model:[{_target_:os._exit,status:3}]}", "lr=1,2")


def test_the_command_names_the_config_and_the_module_the_sweep_was_started_with(app: App) -> None:
    app.write("from hyperherd import log_result; log_result('acc', cfg.lr)")
    (app.folder / "conf/other.yaml").write_text("lr: 0.1\nmodel: other\nwidth: 1\n")
    told = app.run("-m", "-cn", "other", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s", "lr=1,2").stdout
    assert "python app.py --config-name=other lr=2" in told
    refused = app.sweep("lr=1,2", code=1)
    assert "contains a different sweep" in refused.done.stderr


@pytest.mark.parametrize("body", ["raise BaseException('boo')", "import asyncio; raise asyncio.CancelledError('boo')"])
def test_what_is_no_exception_ends_its_trial_alone(app: App, body: str) -> None:
    app.write(f"if cfg.lr == 1:\n    {body}")
    assert app.sweep("lr=1,2", code=1).states == {0: "failed", 1: "completed"}


@pytest.mark.slow
def test_what_cannot_be_pickled_costs_no_other_trial(app: App) -> None:
    app.write("""
        class Two(Exception):
            def __init__(self, a, b): super().__init__(a)
        if cfg.lr == 1: raise Two("boo", 2)
        if cfg.lr == 2:
            import threading
            return threading.Lock()
    """)
    sweep = app.sweep("lr=1,2,3", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", code=1)
    assert sweep.states == {0: "failed", 1: "completed", 2: "completed"}


@pytest.mark.slow
def test_trials_that_a_dying_launcher_never_started_are_launched_again(app: App) -> None:
    app.write("if cfg.lr == 1: os.kill(os.getpid(), 9)")
    sweep = app.sweep("lr=1,2,3,4,5,6", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", code=1)
    assert [sweep.states.get(number) for number in (3, 4, 5)] == ["completed"] * 3


def test_a_forked_child_that_exits_is_not_the_trial(app: App) -> None:
    app.write("""
        child = os.fork()
        if child == 0: sys.exit(7)
        print("CHILD", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    sweep = app.sweep("lr=1,2")
    assert sweep.done.stdout.count("CHILD 7") == 2
    assert sweep.done.stdout.count("2 completed") == 1
    assert sweep.states == {0: "completed", 1: "completed"}


def test_a_path_that_hydra_would_interpolate_is_refused(app: App) -> None:
    done = app.run("-m", "hydra/sweeper=herd", "lr=1,2", r"hydra.sweep.dir='a \${lr} b/s'")
    assert "contains '${', which Hydra would read as an interpolation" in done.stderr


def test_a_trial_that_leaves_its_folder_behind_takes_no_other_with_it(app: App) -> None:
    app.write("import shutil, tempfile; gone = tempfile.mkdtemp(); os.chdir(gone); shutil.rmtree(gone)")
    assert app.sweep("lr=1,2").states == {0: "completed", 1: "completed"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_that_the_users_code_handles_is_left_to_it(app: App, number: signal.Signals) -> None:
    app.write("""
        print("STARTED", flush=True)
        while not os.path.exists("saved"): time.sleep(0.02)
    """)
    script = app.script.read_text()
    app.script.write_text(f"import signal\nsignal.signal({int(number)}, lambda *a: open('saved', 'w'))\n" + script)
    process = app.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=s", "lr=1")
    wait_for(process, "STARTED")
    process.send_signal(number)
    told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told
    assert "1 completed" in told


def test_a_sweep_directory_that_cannot_be_made_is_named(app: App) -> None:
    (app.folder / "afile").touch()
    sweep = app.sweep("lr=1", to="afile/sub", code=1)
    assert "afile/sub cannot be used" in sweep.done.stderr


def test_a_deletion_stands_beside_what_gives_the_key_anew(app: App) -> None:
    app.write("print('GOT', cfg.lr)")
    assert "GOT 6" in app.sweep("~lr", "+lr=5,6").done.stdout
