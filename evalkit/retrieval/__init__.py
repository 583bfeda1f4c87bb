"""Passages for questions: a knowledge base, an index over it, and what each sample is shown of it."""
