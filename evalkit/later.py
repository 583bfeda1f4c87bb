"""numpy, imported when it is first used: that takes longer than sending a request, and no request needs it.

Modules that a run loads before its first request say `from evalkit.later import np`; all others import numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["np"]


class _Numpy:
    """Stands for the module; what was asked for once is found without asking again."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module("numpy"), name)
        setattr(self, name, found)
        return found


if TYPE_CHECKING:
    import numpy as np
else:
    np = _Numpy()
