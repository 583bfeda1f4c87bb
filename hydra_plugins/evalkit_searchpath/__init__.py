"""Adds the configs that ship with evalkit, and the user's own, to Hydra's search path."""
