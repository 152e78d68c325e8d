"""What tests of launchers share about going on with a sweep whose config or code was changed."""

from __future__ import annotations

from conftest import App

from hyperherd import load
from hyperherd.paths import TrialPaths

BODY = """
    import helper
    from hyperherd import log_result
    log_result("loss", cfg.width + cfg.decay)
    print("VALUE", helper.VALUE)
"""


def go_on_with_changes(app: App, *launcher: str) -> None:
    """Start a sweep with a launcher, change its config and its code, and go on with it."""
    config, helper = app.folder / "conf" / "config.yaml", app.folder / "helper.py"
    app.write(BODY, "width: 1\ndecay: 0.0\n")
    helper.write_text("VALUE = 1\n")
    app.sweep(*launcher, "width=1,2", "hydra.sweeper.only='0'")

    config.write_text("width: 1\ndecay: 1.0\n")
    refused = app.sweep(*launcher, "width=1,2", code=1)
    assert "decay: 0.0 -> 1.0" in refused.done.stderr
    assert "hydra.sweeper.allow_drift=true" in refused.done.stderr
    config.write_text("width: 1\ndecay: 0.0\n")

    helper.write_text("VALUE = 2\n")
    refused = app.sweep(*launcher, "width=1,2", "hydra.sweeper.on_code_change=refuse", code=1)
    assert "code has changed since trials of this sweep ran: helper.py." in refused.done.stderr
    assert set(refused.states) == {0}
    gone_on = app.sweep(*launcher, "width=1,2")
    assert gone_on.done.stdout.count("code has changed since trials of this sweep ran: helper.py;") == 1

    assert gone_on.states == {0: "completed", 1: "completed"}
    outputs = [TrialPaths(gone_on.dir / str(number)).log(0, "out").read_text() for number in range(2)]
    assert [text.splitlines()[0] for text in outputs] == ["VALUE 1", "VALUE 2"]
    first, second = (trial.provenance["code"] for trial in load(gone_on.dir))
    assert first["app.py"] == second["app.py"]
    assert first["helper.py"] != second["helper.py"]
