"""What a Lightning trainer has gathered of a module's `self.log`, and how its tensors become numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from pytorch_lightning import Trainer


def gathered_metrics(trainer: Trainer) -> Mapping[str, torch.Tensor] | None:
    """Return what Lightning has gathered for its loggers so far, or None where it no longer keeps it there.

    The public `trainer.logged_metrics` returns the same, but first computes what has been logged since: it waits for
    the device once per progress bar metric, and at the end of an epoch it enters the collectives of `sync_dist=True`,
    where one rank alone would hang. In its absence we read the public one, except where that could happen.
    """
    gathered: Mapping[str, torch.Tensor] | None = getattr(trainer._logger_connector, "_logged_metrics", None)
    return gathered


def hidden_metrics(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Return what was logged with `logger=False`, as :func:`gathered_metrics`.

    Under its plain name `callback_metrics` has what is logged both by step and by epoch once more: that is left out.
    """
    found: Mapping[str, torch.Tensor] = getattr(trainer._logger_connector, "_callback_metrics", {})
    return {name: found[name] for name in found if not (f"{name}_step" in found or f"{name}_epoch" in found)}


def step_metrics(trainer: Trainer, *, hidden: bool) -> dict[str, torch.Tensor]:
    """Return what the running batch has logged so far, before Lightning gathers it; nothing if Lightning does not say.

    It enters no collective, but may wait for the device: only for who waits for it anyway.
    """
    measured = getattr(getattr(trainer, "_results", None), "metrics", None)
    found: Mapping[str, Any] = measured(on_step=True) if callable(measured) else {}
    logged: dict[str, torch.Tensor] = {**found.get("log", {})}
    if hidden:
        callback = found.get("callback", {})
        logged |= {name: callback[name] for name in callback if f"{name}_step" not in callback}
    return logged


def is_same(value: torch.Tensor, seen: torch.Tensor | None) -> bool:
    """Return whether `value` is what was `seen` before: Lightning hands out old values until there is a new one.

    The old tensor is still referenced, so its memory cannot have been given to a new value.
    """
    return value is seen or (seen is not None and value.data_ptr() == seen.data_ptr())


def fetched(values: Sequence[torch.Tensor]) -> list[float]:
    """Return the numbers in one-element tensors, with one transfer for each device and type."""
    numbers = [0.0] * len(values)
    groups: dict[tuple[torch.device, torch.dtype], list[int]] = {}
    for place, value in enumerate(values):
        if value.is_cpu:
            numbers[place] = value.item()
        else:
            groups.setdefault((value.device, value.dtype), []).append(place)
    for places in groups.values():
        for place, number in zip(places, _fetch([values[place] for place in places]), strict=True):
            numbers[place] = number
    return numbers


def _fetch(values: list[torch.Tensor]) -> list[float]:
    """Return the numbers in one-element tensors of one device and type, waiting for the device once."""
    from torch import stack

    numbers: list[float] = stack([value.reshape(()) for value in values]).tolist()
    return numbers
