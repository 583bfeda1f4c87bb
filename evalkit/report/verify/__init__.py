"""Checks a stored run against itself: every number from its samples, every hash from what it is a hash of."""
