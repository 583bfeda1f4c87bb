from __future__ import annotations

from browsing import browser, watched

__all__ = ["browser", "watched"]
