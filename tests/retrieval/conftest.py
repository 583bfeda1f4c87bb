from __future__ import annotations

from metrics.conftest import shared_rows

__all__ = ["shared_rows"]
