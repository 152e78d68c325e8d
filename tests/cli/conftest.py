from __future__ import annotations

from results.conftest import plain

__all__ = ["plain"]
