"""What streaming costs a Lightning training: our callback beside the loggers of Lightning, inside of a real fit.

    python benchmarks/callbacks.py            # 9 rounds; about 5 minutes
    python benchmarks/callbacks.py 3          # fewer rounds

The MNIST example's network and data (digits), ten epochs. Measured is the CPU time inside the hooks of each way to log,
not the difference between two fits, which on a busy machine varies more than what is looked for. A logger has no hooks:
its time is that of the trainer's calls which end at once where there is none. Every way logs every step. Percentages
are of the CPU time of the same fit. Ways that are not installed are left out.
"""

from __future__ import annotations

import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "mnist"
ROUNDS = 9
WAYS = ("ours", "CSVLogger", "TensorBoardLogger")
LOGGING = ("log_metrics", "update_train_step_metrics", "update_train_epoch_metrics", "log_eval_end_metrics")
"""What the trainer's logger connector calls for loggers; with `logger=False` these end at once."""


class Clock:
    """Seconds spent in what was wrapped; a call inside of another one counts once."""

    def __init__(self) -> None:
        self.seconds, self.depth = 0.0, 0

    def wrap(self, owner: Any, name: str) -> None:
        inner: Callable[..., Any] = getattr(owner, name)

        @wraps(inner)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.depth += 1
            start = time.thread_time()
            try:
                return inner(*args, **kwargs)
            finally:
                self.depth -= 1
                if not self.depth:
                    self.seconds += time.thread_time() - start

        setattr(owner, name, timed)


def one_fit(way: str, folder: Path) -> tuple[float, float]:
    """Return the seconds of a fit, and those of them in which metrics were logged."""
    import data
    import pytorch_lightning as pl
    import torch
    from model import Classifier, cnn
    from torch.utils.data import DataLoader, TensorDataset

    from hyperherd.trial import log as trial_log
    from hyperherd_callbacks.lightning import HyperHerdStreamCallback

    images = data.load("nowhere")
    train, val = (DataLoader(TensorDataset(*part), 64) for part in (images.train, images.val))
    ours = HyperHerdStreamCallback()
    loggers = {
        "CSVLogger": lambda: pl.loggers.CSVLogger(folder),
        "TensorBoardLogger": lambda: pl.loggers.TensorBoardLogger(folder),
    }
    trainer = pl.Trainer(
        max_epochs=10,
        accelerator="cpu",
        logger=loggers[way]() if way in loggers else False,
        callbacks=[ours] if way == "ours" else [],
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    clock = Clock()
    if way == "ours":
        hooks = [name for name in dir(pl.Callback) if name.startswith("on_") or name in ("setup", "teardown")]
        for name in hooks:  # but for those that are empty, as in any callback
            if getattr(HyperHerdStreamCallback, name) is not getattr(pl.Callback, name):
                clock.wrap(ours, name)
    else:
        for name in LOGGING:
            clock.wrap(trainer._logger_connector, name)
    trial_log.enter(folder / "trial", 0)
    model = Classifier(cnn(images.size, 8), lambda parameters: torch.optim.SGD(parameters, 0.05))
    start = time.thread_time()
    trainer.fit(model, train, val)
    seconds = time.thread_time() - start
    trial_log.leave()
    return seconds, clock.seconds


def main(rounds: int) -> None:
    sys.path.insert(0, str(EXAMPLE))
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    import torch

    torch.set_num_threads(1)
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for number in range(rounds + 1):
        for way in WAYS:
            try:
                with tempfile.TemporaryDirectory() as name:
                    measured = one_fit(way, Path(name))
            except ModuleNotFoundError:
                continue
            if number:  # the first fit of each pays for imports
                found[way].append(measured)
    for way in [way for way, pairs in found.items() if not pairs]:
        del found[way]
    print("| way | ms in a fit | us a step | % of the fit |")
    print("|---|--:|--:|--:|")
    for way, pairs in found.items():
        spent = statistics.median(inside for _, inside in pairs)
        share = statistics.median(inside / whole for whole, inside in pairs)
        print(f"| {way} | {spent * 1e3:.1f} | {spent / 190 * 1e6:.0f} | {share:.2%} |")
    print(f"\nThe fit: {statistics.median(whole for whole, _ in found['ours']):.2f} s, 190 steps; medians of {rounds}.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
