"""Executors: many requests -> a stream of outcomes, within limits."""
