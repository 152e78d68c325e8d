"""Going on with a sweep whose jobs are in every state: each trial once more at most, and what is awaited counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import App, wait_for
from drifting import go_on_with_changes
from real_slurm import Slurm
from waiting import PATIENCE, until

from hyperherd.records.events import read_events

HERD = ["hydra/launcher=herd_slurm", "hydra.launcher.poll_s=2"]
LEFT = "hydra.launcher.wait=false"

pytestmark = pytest.mark.slow


def ran(app: App) -> list[str]:
    """Return ``width attempt`` of every execution."""
    return sorted((app.folder / "ran").read_text().splitlines())


def submissions(sweep_dir: Path) -> list[int]:
    return sorted(event.number for event in read_events(sweep_dir) if event.event == "submitted")


EVERY_STATE = """
    from pathlib import Path
    with open("ran", "a") as file: file.write(f"{cfg.width} {os.environ['HYPERHERD_ATTEMPT']}\\n")
    if cfg.width == 1 and not Path("fixed").exists(): raise ValueError("boom")
    while cfg.width in (2, 3) and not Path("go").exists(): time.sleep(0.1)
"""


def test_a_detached_sweep_with_trials_in_every_state(app: App, slurm: Slurm) -> None:
    app.write(EVERY_STATE)
    arguments = [*HERD, LEFT, "width=range(6)", "hydra.launcher.array_parallelism=2"]
    left = app.sweep(*arguments)
    until(lambda: left.states == {0: "completed", 1: "failed", 2: "running", 3: "running"})
    refused = app.sweep(*arguments, "hydra.sweeper.only='3,4'", code=1)
    assert "only=3,4 matches none of the 1 trial that would run; queued or running: 3, 4" in refused.done.stderr
    (app.folder / "fixed").touch()
    for to_run in (1, 0):
        assert f" {to_run} to run, {5 - to_run} already submitted" in app.sweep(*arguments).done.stdout
    assert submissions(left.dir) == [0, 1, 1, 2, 3, 4, 5]
    (_, job) = [
        str(event.job_id) for event in read_events(left.dir) if event.event == "submitted" and event.number == 1
    ]
    assert slurm.state(job) == "PENDING"  # the two that run use all of the cap
    (app.folder / "go").touch()
    ended = app.sweep(*HERD, "width=range(6)")
    assert "6 completed" in ended.done.stdout
    assert ran(app) == ["0 0", "1 0", "1 1", "2 0", "3 0", "4 0", "5 0"]


def test_a_canary_does_not_wait_for_what_is_in_the_queue(app: App, slurm: Slurm) -> None:
    """And a share of failures is one of all that this sweep follows."""
    app.write("""
        from pathlib import Path
        with open("ran", "a") as file: file.write(f"{cfg.width} {os.environ['HYPERHERD_ATTEMPT']}\\n")
        while cfg.width < 5 and not Path("go").exists(): time.sleep(0.1)
        if cfg.width == 0: raise ValueError("boom")
    """)
    left = app.sweep(*HERD, LEFT, "width=range(5)")
    until(lambda: len(left.states) == 5)
    policy = ["hydra.sweeper.canary=1", "hydra.sweeper.stop_after_failures=50%"]
    more = app.start("-m", "hydra/sweeper=herd", *HERD, "hydra.sweep.dir=multirun/s", "width=range(8)", *policy)
    try:
        until(lambda: {5, 6, 7} <= left.states.keys(), more)
        (app.folder / "go").touch()
        told, _ = more.communicate(timeout=PATIENCE)
    finally:
        more.kill()
    assert "7 completed, 1 failed" in told
    assert "stop_after_failures" not in told
    assert ran(app) == [f"{width} 0" for width in range(8)]


def test_a_canary_that_failed_costs_nobody_who_is_in_the_queue(app: App, slurm: Slurm) -> None:
    app.write("""
        from pathlib import Path
        while cfg.width < 2 and not Path("go").exists(): time.sleep(0.1)
        if cfg.width == 2: raise ValueError("boom")
    """)
    left = app.sweep(*HERD, LEFT, "width=range(2)")
    until(lambda: len(left.states) == 2)
    canary = ["width=range(4)", "hydra.sweeper.canary=1"]
    more = app.start("-m", "hydra/sweeper=herd", *HERD, "hydra.sweep.dir=multirun/s", *canary)
    try:
        wait_for(more, "a canary trial failed (hydra.sweeper.canary); 1 trial not started")
        (app.folder / "go").touch()
        told, _ = more.communicate(timeout=PATIENCE)
    finally:
        more.kill()
    assert "2 completed, 1 failed, 1 waiting" in told


def test_a_changed_config_is_refused_and_changed_code_is_named(app: App, slurm: Slurm) -> None:
    go_on_with_changes(app, *HERD)


def test_every_end_is_told(app: App, slurm: Slurm) -> None:
    sweep = app.sweep(*HERD, "width=range(3)")
    for number in range(3):
        assert f"trial {number} (width-{number}) completed" in sweep.done.stdout


def test_a_secret_reaches_the_job_and_not_its_script(app: App, slurm: Slurm) -> None:
    app.write("assert os.environ['HF_TOKEN'] == 'hf_' + '5' * 9 and os.environ['PLAIN'] == 'here'")
    given = ("+hydra.launcher.env.HF_TOKEN=hf_555555555", "+hydra.launcher.env.PLAIN=here")
    refused = app.sweep(*HERD, "width=1", *given, "+hydra.launcher.additional_parameters.export=NONE", code=1)
    assert "HF_TOKEN looks like a secret" in refused.done.stderr
    sweep = app.sweep(*HERD, "width=1", *given)
    assert sweep.states == {0: "completed"}
    scripts = {path.read_text() for path in (sweep.dir / ".hyperherd/submitit").glob("*.sh")}
    assert scripts
    assert all("PLAIN" in text and "hf_555555555" not in text for text in scripts)


@pytest.mark.parametrize("name", ["100%j", "50%off"])
def test_a_folder_whose_name_means_something_to_slurm(app: App, slurm: Slurm, name: str) -> None:
    folder = app.folder / name
    folder.mkdir()
    refused = app.sweep(*HERD, "width=1", to=f"'{name}/s'", code=1)
    assert (
        f"hydra.launcher.submitit_folder: herd_slurm would replace '%{name.partition('%')[2][0]}'"
        in refused.done.stderr
    )
    assert list(folder.iterdir()) == []
