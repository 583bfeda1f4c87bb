"""`evalkit run` with Hydra's own flags: -m sweeps, --cfg, --info, --help, shell completion."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cli.output import note, print_table
from evalkit.config.compose import (
    PRIMARY,
    checked,
    config_dir,
    explained,
    our_search_path,
    register_schema,
)
from evalkit.config.plugins import allowed_packages
from evalkit.errors import ConfigError, EvalkitError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from evalkit.report.suite import Member

JOBS_VARIABLE = "EVALKIT_SWEEP_JOBS"
HYDRA_PACKAGES = {"hydra", "hydra_plugins"}


def main(argv: Sequence[str]) -> int:
    """Hand over to Hydra; a sweep ends with one table and a suite record, and the worst job's exit code."""
    import hydra

    register_schema()
    # Hydra prints short messages and exits with 1 by itself; ours are clearer and exit with 2.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv = ["evalkit", *argv]
    overrides = [word for word in argv if not word.startswith("-")]
    with our_search_path(), explained(overrides), tempfile.TemporaryDirectory() as scratch:
        _guard(overrides)
        jobs = Path(scratch) / "jobs.jsonl"
        os.environ[JOBS_VARIABLE] = str(jobs)
        try:
            hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=PRIMARY)(_job)()
        finally:
            del os.environ[JOBS_VARIABLE]
        return _finish(jobs) if jobs.exists() else 0


def _guard(overrides: Sequence[str]) -> None:
    """Refuse Hydra plugins that a config names from packages the user has not allowed: they run as code."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = (
            GlobalHydra.instance()
            .config_loader()
            .load_configuration(
                config_name=PRIMARY,
                overrides=list(overrides),
                run_mode=RunMode.MULTIRUN,
                validate_sweep_overrides=False,
            )
        )
    named = {f"hydra.{part}": config.hydra[part] for part in ("launcher", "sweeper")}
    named |= {f"hydra.callbacks.{name}": one for name, one in (config.hydra.callbacks or {}).items()}
    for setting, one in named.items():
        target = str(one.get("_target_", "")) if one else ""
        package = target.partition(".")[0]
        allowed = allowed_packages() | (HYDRA_PACKAGES if "callbacks" not in setting else set())
        if package not in allowed:
            raise ConfigError(
                f"{setting}._target_={target}: configs may run code only from evalkit, Hydra and allowed "
                f"packages; if you trust {package}, use --allow-plugin {package}"
            )


def _job(composed: DictConfig) -> int:
    """Run one job; its error is recorded, and the sweep goes on."""
    from hydra.core.hydra_config import HydraConfig

    from evalkit.cli.main import one_line
    from evalkit.cli.run import exit_code, perform

    hydra_config = HydraConfig.get()
    record: dict[str, Any] = {
        "number": int(hydra_config.job.num),
        "overrides": list(hydra_config.overrides.task),
        "run": None,
        "error": None,
        "code": 0,
    }
    results_dir, suite = "results", None
    try:
        config = checked(composed)
        results_dir, suite = config.results_dir, config.suite
        finished = perform(config)
        record["run"] = str(finished.folder.relative_to(Path(results_dir)))
        record["code"] = exit_code(finished)
    except EvalkitError as error:
        record["error"] = one_line(str(error))
        record["code"] = error.exit_code
        note(f"evalkit: job {record['number']} ({' '.join(record['overrides'])}): {record['error']}")
    line = json.dumps({**record, "results_dir": results_dir, "suite": suite})
    with Path(os.environ[JOBS_VARIABLE]).open("a", encoding="utf-8") as file:
        file.write(line + "\n")  # one short append: safe between the processes of a parallel launcher
    return int(record["code"])


def _finish(jobs: Path) -> int:
    from evalkit.report.base import read
    from evalkit.report.suite import Member, Suite, write_suite
    from evalkit.report.table import score_table

    records = sorted(
        (json.loads(line) for line in jobs.read_text("utf-8").splitlines()),
        key=lambda one: int(one["number"]),
    )
    members = [Member(**{key: one[key] for key in Member.__dataclass_fields__}) for one in records]
    results_dir = Path(records[0]["results_dir"])
    name = records[0]["suite"] or "sweep"
    suite = Suite(f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}", name, members)
    path = write_suite(suite, results_dir)
    if suite.runs:
        print_table(score_table([read(results_dir / run) for run in suite.runs]))
    _say_failed(members)
    note(f"reports: {results_dir / 'runs'}\nsuite: {path}")
    return max(one.code for one in members)


def _say_failed(members: Sequence[Member]) -> None:
    failed = [one for one in members if one.error is not None]
    if failed:
        note(f"{len(failed)} of {len(members)} jobs failed:")
        for one in failed:
            note(f"  {' '.join(one.overrides)}: {one.error}")
