"""Two measurements of the same samples -> differences, tests and verdicts."""
