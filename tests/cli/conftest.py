from __future__ import annotations

from results.conftest import plain, sweep

__all__ = ["plain", "sweep"]
