"""Two clusters on one file system, which give the same ids to different jobs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import starting
from conftest import App
from lsf.emulator.cluster import Cluster
from lsf.emulator.site import Site
from waiting import until

from hyperherd.records.events import read_events

HERD = ["hydra/launcher=herd_lsf", "hydra.launcher.poll_s=1"]

pytestmark = pytest.mark.slow


def test_a_sweep_of_one_cluster_is_refused_on_another_and_no_job_there_is_touched(
    app: App, cluster: Cluster, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.write("""
        from pathlib import Path
        with open("ran", "a") as file: file.write(f"{cfg.width} {os.environ['HYPERHERD_ATTEMPT']}\\n")
        while not Path("go").exists(): time.sleep(0.1)
    """)
    left = app.sweep(*HERD, "hydra.launcher.wait=false", "width=1,2")
    until(lambda: len(left.records) == 2)
    name = next(str(event.job_name) for event in read_events(left.dir) if event.job_name)
    with monkeypatch.context() as there, Cluster(tmp_path / "other", cluster="other") as other:
        for variable, value in other.environ.items():
            there.setenv(variable, value)
        assert site.submit("sleep 300\n", "-J", f"{name}[1-2]") == "1"  # the same id, and the same name
        refused = app.sweep(*HERD, "hydra.launcher.wait=false", "width=1,2", code=1)
        assert "trials 0, 1 were submitted to the cluster 'lsfemu'" in refused.done.stderr
        command = [sys.executable, "-m", "hyperherd.cli", "cancel", str(left.dir)]
        done = starting.run(command, text=True)
        assert "were submitted to the cluster 'lsfemu'" in done.stderr
        assert site.states("1") == ["RUN", "RUN"]
        assert other.calls("bkill") == []
    (app.folder / "go").touch()
    assert "2 completed" in app.sweep(*HERD, "width=1,2").done.stdout
    assert sorted((app.folder / "ran").read_text().splitlines()) == ["1 0", "2 0"]
