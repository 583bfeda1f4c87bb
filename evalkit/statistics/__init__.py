"""Intervals, tests and corrections: arrays and a seed in, numbers out; no metric is known by name."""
