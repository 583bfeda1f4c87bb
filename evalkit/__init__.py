"""evalkit: evaluate GPT-4-class models with numbers a reviewer can trust.

import evalkit

report = evalkit.run("task=sentiment", "model=gpt-4o")
before = evalkit.load_report("results/runs/sentiment/20261101-120000-abcdef")
evalkit.compare(before, report)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalkit.api import accept, compare, gate, load_report, run, score

__version__ = "0.1.0"
__all__ = ["__version__", "accept", "compare", "gate", "load_report", "run", "score"]


def __getattr__(name: str) -> Any:
    """Import the functions when they are asked for: `import evalkit` itself costs nothing."""
    if name in __all__:
        from evalkit import api

        return getattr(api, name)
    raise AttributeError(f"module 'evalkit' has no attribute {name!r}")
