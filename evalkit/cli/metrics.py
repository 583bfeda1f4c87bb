"""`evalkit metrics export NAME FOLDER`: a metric as a module that Hugging Face's `evaluate` loads."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit.errors import UsageError, did_you_mean

EPILOG = """examples:
  evalkit metrics export rouge exported
  evalkit metrics export bleu exported metrics.bleu.tokenize=zh
then, in Python:
  evaluate.load("exported/rouge").compute(predictions=["a cat"], references=[["a cat", "the cat"]])
"""
BRIDGE = "evaluate"


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser("evalkit metrics", description="Metrics for use elsewhere.")
    commands = found.add_subparsers(dest="command", required=True)
    export = commands.add_parser(
        "export",
        help="write a metric as a module of Hugging Face evaluate",
        description="Write FOLDER/NAME/NAME.py, which evaluate.load(FOLDER/NAME) opens without a network.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    export.add_argument("name", metavar="NAME", help="of evalkit list metrics")
    export.add_argument("folder", metavar="FOLDER", type=Path, help="where its folder is put")
    export.add_argument(
        "overrides", nargs="*", metavar="OVERRIDE", help="options, like metrics.NAME.OPTION=VALUE"
    )
    return found


def main(argv: Sequence[str]) -> int:
    """Export, and print the path of the script."""
    from evalkit.metrics.export import script, write

    options = parser().parse_args(argv)
    settings, about = _settings(options.name, options.overrides)
    target = settings.pop("_target_")
    metric = _metric(options.name, target, settings)
    text = script(options.name, target, settings, needs_target=metric.needs_target, about=about)
    print(write(options.folder, options.name, text))
    return 0


def _settings(name: str, overrides: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Return the class and options of a metric's config, and what it says of itself."""
    from omegaconf import OmegaConf

    from evalkit.cli.list import choices
    from evalkit.config.compose import composed

    known = {one.name: one.description for one in choices("metrics")}
    if name not in known or name == BRIDGE:
        raise UsageError(
            f'no metric "{name}" to export{did_you_mean(name, known)}; there are '
            f"{', '.join(one for one in known if one != BRIDGE)}"
        )
    stray = [one for one in overrides if not one.lstrip("+").startswith(f"metrics.{name}.")]
    if stray:
        raise UsageError(f"{stray[0]}: export takes options of the metric, like metrics.{name}.OPTION=VALUE")
    node = composed([f"metrics=[{name}]", *overrides])["metrics"]
    found = OmegaConf.to_container(node, resolve=True)
    assert isinstance(found, dict)
    return found[name], known[name]


def _metric(name: str, target: str, settings: dict[str, Any]) -> Any:
    from evalkit.metrics.prepared import metric_from

    return metric_from(target, settings, f"metrics.{name}")
