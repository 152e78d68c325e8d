"""Settings that cannot be resolved end in one line, where Hydra alone would show a traceback of fifty."""

from __future__ import annotations

import pytest
from conftest import App

UNSET = "${oc.env:NOT_SET_HERE}"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            f"hydra.sweeper.notify={UNSET}",
            "hydra.sweeper.notify cannot be resolved: Environment variable 'NOT_SET_HERE'",
        ),
        (
            "+hydra.sweeper.params.x=${nowhere}",
            "hydra.sweeper.params.x cannot be resolved: Interpolation key 'nowhere'",
        ),
        (f"hydra.launcher.threads={UNSET}", "hydra.launcher.threads cannot be resolved: Environment variable"),
    ],
)
def test_what_cannot_be_resolved_is_named(app: App, override: str, message: str) -> None:
    done = app.run("-m", "lr=1", "hydra/sweeper=herd", "hydra/launcher=herd_local", override)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
