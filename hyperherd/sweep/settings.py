"""What `hydra.sweeper` asks for, read into plain data and checked before anything else happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf

from hyperherd.errors import SweepError, nearest

_KINDS = {dict: "map from parameters to values", list: "list of conditions"}
DIRECTIONS = ("maximize", "minimize")


@dataclass(frozen=True)
class SweepSettings:
    """`hydra.sweeper`; conf/hydra/sweeper/herd.yaml says what each field means."""

    params: dict[str, Any]
    conditions: list[Any]
    objective: dict[str, str] | None
    seed_key: str
    max_batch_size: int | None
    name: str | None


def read_settings(raw: Mapping[str, Any]) -> SweepSettings:
    """Read the sweeper's config as Hydra instantiates it.

    Raises:
        SweepError: a value that cannot be meant; the message names its key.
    """
    plain: dict[str, Any] = {
        key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        for key, value in raw.items()
    }
    for key, kind in (("params", dict), ("conditions", list)):
        if plain.get(key) is not None and not isinstance(plain[key], kind):
            raise SweepError(f"hydra.sweeper.{key} is {plain[key]!r}; it takes a {_KINDS[kind]}")
    size = plain.get("max_batch_size")
    if size is not None and size < 1:
        raise SweepError(f"hydra.sweeper.max_batch_size is {size}; it takes a positive number, or null for no limit")
    return SweepSettings(
        params=plain.get("params") or {},
        conditions=plain.get("conditions") or [],
        objective=_objective(plain.get("objective")),
        seed_key=plain.get("seed_key") or "seed",
        max_batch_size=size,
        name=plain.get("name"),
    )


def _objective(written: Any) -> dict[str, str] | None:
    if written is None:
        return None
    if not isinstance(written, dict) or written.keys() != {"metric", "direction"}:
        raise SweepError(
            f"hydra.sweeper.objective is {written!r}; it is a map such as {{metric: val/acc, direction: maximize}}"
        )
    direction = str(written["direction"])
    if direction not in DIRECTIONS:
        raise SweepError(
            f"hydra.sweeper.objective.direction is {direction!r}{nearest(direction, DIRECTIONS)}; "
            f"it is maximize or minimize"
        )
    return {"metric": str(written["metric"]), "direction": direction}
