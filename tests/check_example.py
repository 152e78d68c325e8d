"""Check what the example's sweeps left: `python tests/check_example.py HERD_RESULTS MULTIRUN`."""

from __future__ import annotations

import json
import subprocess
import sys


def main(herd_results: str, multirun: str) -> None:
    """Fail unless both examples were swept over two learning rates and every trial has its metrics."""
    shown = subprocess.run([herd_results, multirun, "-f", "json"], capture_output=True, text=True, check=True).stdout
    trials = json.loads(shown)["trials"]
    assert len(trials) == 4, f"4 trials expected, {len(trials)} found"
    for trial in trials:
        assert trial["state"] == "completed", trial
        metrics = {name: value["last"] for name, value in trial["metrics"].items()}
        accuracy = metrics.get("val/acc", metrics.get("eval_acc"))
        assert accuracy is not None, f"no accuracy among {sorted(metrics)}"
        assert accuracy > 0.5, f"trial {trial['number']} learned nothing: {accuracy}"
    assert {trial["params"]["lr"] for trial in trials} == {0.01, 0.1, 0.001, 0.003}
    print(f"{len(trials)} trials checked")


if __name__ == "__main__":
    main(*sys.argv[1:])
