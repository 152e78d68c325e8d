"""Hydra's store of configs, seen in Hydra 1.3.2 to 1.3.8 with OmegaConf 2.3.0 and 2.3.1."""

from __future__ import annotations

from typing import Any

from hydra.core.config_store import ConfigStore


def store_open(group: str, name: str, schema: Any) -> None:
    """Store a schema whose keys keep their types, and to which configs may add keys.

    OmegaConf closes a dataclass to other keys, before any code of ours could say what is wrong with one. What was
    stored is changed, because a copy would cost each Hydra app in the environment time when it starts.
    """
    store = ConfigStore.instance()
    store.store(group=group, name=name, node=schema, provider="hydra-hyperherd")
    folder: Any = store.repo
    for part in group.split("/"):
        folder = folder[part]
    folder[f"{name}.yaml"].node._metadata.object_type = dict
