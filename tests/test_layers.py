"""The order of the layers, read from the imports: a module imports only what stands above it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "evalkit"

# From the ground up, as ARCHITECTURE.md draws it. Rooms in one line do not import each other.
LAYERS = [
    {"errors", "later", "records", "search_path"},
    {"choices", "json_schema", "plugins", "images", "evaluate_modules", "spool"},
    {"tools", "tokens", "outcomes"},
    {"totals", "statistics", "sandbox", "preprocess"},
    {"metrics"},
    {"prompts", "postprocess", "variations"},
    {"datasets"},
    {"retrieval"},
    {"cache"},
    {"client"},
    {"task", "budget"},
    {"executors"},
    {"asking", "reading", "rounds"},
    {"scoring", "runner"},
    {"report"},
    {"comparison", "preflight"},
    {"config"},
    {"evaluation", "planning"},
    {"gating"},
    {"api"},
    {"cli", "pytest_plugin"},
]
HEIGHT = {name: level for level, names in enumerate(LAYERS) for name in names}
# Which rooms may import a package at all.
KEPT = {
    "openai": {"client"},
    "httpx2": {"client"},
    "hydra": {"config", "cli"},
    "omegaconf": {"config", "cli"},
    "sacrebleu": {"metrics"},
    "rouge_score": {"metrics"},
    "rouge_score_rs": {"metrics"},
    "jieba": {"preprocess", "retrieval"},
    "bm25s": {"retrieval"},
    "evaluate": {"evaluate_modules"},
    "pytest": {"pytest_plugin"},
}
# A metric file imports these and no other metric.
METRIC_GROUND = {
    "base",
    "calls",
    "expectation",
    "inner",
    "logprobs",
    "numbers",
    "overlap",
    "pairing",
    "prepared",
    "replies",
    "schema",
    "symbols",
    "text",
    "translation",
    "weighted",
}


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.name[0] != "_")


def imports(path: Path) -> list[tuple[int, str]]:
    """Every import of a file, those inside functions and for types included."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide the layer"
            assert node.module is not None
            found.append((node.lineno, node.module))
            if node.module == "evalkit":
                found += [(node.lineno, f"evalkit.{alias.name}") for alias in node.names]
    return found


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_only_lower_layers(path: Path) -> None:
    here = room(path)
    for line, name in imports(path):
        top, _, rest = name.partition(".")
        if top in KEPT:
            assert here in KEPT[top], f"{path.name}:{line}: only {KEPT[top]} import {top}"
        if top != "evalkit" or not rest:
            continue
        there = rest.split(".")[0]
        if there == "__version__":
            continue
        assert there in HEIGHT, f"{path.name}:{line}: evalkit.{there} is in no layer"
        assert there == here or HEIGHT[there] < HEIGHT[here], f"{path.name}:{line}: {here} imports {name}"


def test_every_room_is_in_a_layer() -> None:
    rooms = {room(path) for path in modules()}
    assert rooms == set(HEIGHT)


def test_metrics_do_not_import_each_other() -> None:
    for path in (ROOT / "metrics").glob("*.py"):
        for line, name in imports(path):
            if name.startswith("evalkit.metrics.") and path.stem not in METRIC_GROUND:
                assert name.split(".")[2] in METRIC_GROUND, f"{path.name}:{line} imports {name}"


def test_architecture_names_every_layer() -> None:
    text = (ROOT.parent / "ARCHITECTURE.md").read_text("utf-8")
    missing = [name for names in LAYERS for name in names if name not in text]
    assert not missing
