"""evalkit: evaluate GPT-4-class models with numbers a reviewer can trust."""

__version__ = "0.1.0"
