"""Metric plugins: one file each; a metric is a class named in a YAML file under configs/metrics."""
