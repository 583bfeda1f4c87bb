"""Prompt templates: a sample's fields -> chat messages."""

from evalkit.prompts.base import FORMS, ROLES, Prompt, parts_of

__all__ = ["FORMS", "ROLES", "Prompt", "parts_of"]
