"""Which formats each command offers; a module of its own, because `--help` needs the names alone."""

from __future__ import annotations

OF_RUN = ("markdown", "comment", "github", "junit", "latex", "csv", "tsv", "json", "svg", "badge")
OF_TABLE = ("markdown", "latex", "csv", "tsv", "json", "html", "svg", "svg-cost")
OF_COMPARISON = ("markdown", "comment", "github", "junit", "json", "latex", "csv", "tsv")
OF_GATE = (*OF_COMPARISON, "badge")
