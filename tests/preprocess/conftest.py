from __future__ import annotations

from commands import evalkit, server

__all__ = ["evalkit", "server"]
