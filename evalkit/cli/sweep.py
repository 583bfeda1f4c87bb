"""`evalkit run` with Hydra's own flags: -m sweeps, --cfg, --info, shell completion."""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cli.main import BUG, INTERRUPTED
from evalkit.cli.output import note, one_line, print_tables, print_traceback
from evalkit.cli.run import exit_code, perform, print_finished
from evalkit.client.redaction import hide
from evalkit.config.check import public_override
from evalkit.config.compose import PRIMARY, checked, config_dir, our_search_path, register_schema
from evalkit.config.explain import explained
from evalkit.config.study import axes
from evalkit.config.trust import check_composition, check_hydra, check_primary
from evalkit.errors import EvalkitError, UsageError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from evalkit.report.settings import Row

JOBS_VARIABLE = "EVALKIT_SWEEP_JOBS"
INFO = {"-i", "--info"}


def main(argv: Sequence[str]) -> int:
    """Hand over to Hydra; a sweep ends with one table and a suite record, and the worst job's exit code."""
    import hydra

    options = _parsed(argv)
    if options.multirun:
        options.overrides += axes(options.overrides)
    register_schema()
    # Hydra prints short messages and exits with 1 by itself; ours are clearer and exit with 2.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    logging.raiseExceptions = False  # --info prints through logging, which would complain about `| head`
    with our_search_path(), explained(options.overrides), tempfile.TemporaryDirectory() as scratch:
        check_primary(PRIMARY)
        check_composition(PRIMARY, options.overrides, config_dir(), options.config_dir)
        sys.argv = ["evalkit", *_words(options, scratch)]
        jobs = Path(scratch) / "jobs.jsonl"
        os.environ[JOBS_VARIABLE] = str(jobs)
        try:
            with _without_keys() if options.cfg or options.info else nullcontext():
                hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=PRIMARY)(_job)()
        finally:
            del os.environ[JOBS_VARIABLE]
            code = _finish(jobs, sweep=options.multirun)
        return code


@contextmanager
def _without_keys() -> Iterator[None]:
    """Print what Hydra shows of the settings without the keys in them."""
    shown = io.StringIO()
    try:
        with redirect_stdout(shown):
            yield
    finally:
        print(hide(shown.getvalue()), end="")


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    """Read Hydra's flags, which may stand anywhere between the overrides."""
    from hydra._internal.utils import get_args_parser

    words = list(argv)
    for place, word in enumerate(words[:-1]):
        if word in INFO and "=" in words[place + 1]:  # `--info task=qa`: the override is not its value
            words[place] = "--info=all"
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        options = parser.parse_intermixed_args(words)
    except argparse.ArgumentError as error:
        raise UsageError(f"evalkit run: {error}") from error
    if options.config_dir is not None and not Path(options.config_dir).is_dir():
        raise UsageError(f"evalkit run: {options.config_dir}: no such folder of configs")
    modes = [options.cfg is not None, options.info is not None, options.multirun, options.run]
    if sum(modes) > 1:
        raise UsageError("evalkit run: -m, -r, --cfg and --info exclude each other; write one of them")
    return options


def _words(options: argparse.Namespace, scratch: str) -> Iterator[str]:
    """Yield the command line for Hydra: flags first, because its parser takes them nowhere else."""
    for flag in ("multirun", "run", "resolve", "hydra_help"):
        if getattr(options, flag):
            yield f"--{flag.replace('_', '-')}"
    for flag in ("cfg", "package", "info", "config_dir"):
        if getattr(options, flag) is not None:
            yield f"--{flag.replace('_', '-')}={getattr(options, flag)}"
    if options.multirun:  # Hydra would leave a multirun.yaml in the working directory
        yield f'hydra.sweep.dir="{scratch}"'
    yield from options.overrides


def _job(composed: DictConfig) -> int:
    """Run one job; its error is recorded, and the sweep goes on."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    whole: Any = HydraConfig.instance().cfg
    node = whole.hydra
    single = OmegaConf.is_missing(node.job, "num")
    record: dict[str, Any] = {
        "number": 0 if single else int(node.job.num),
        "overrides": [public_override(one) for one in node.overrides.task],
        "run": None,
        "error": None,
        "code": 0,
    }
    place: dict[str, Any] = {"results_dir": "results", "suite": None}
    try:
        check_hydra(whole)
        config = checked(composed)
        place = {"results_dir": config.results_dir, "suite": config.suite}
        finished = perform(config, node.overrides.task)
        record["run"] = str(finished.folder.relative_to(Path(config.results_dir)))
        record["code"] = exit_code(finished)
        if finished.stopped is not None:
            record["error"] = one_line(str(finished.stopped))
    except EvalkitError as error:
        record |= {"error": one_line(hide(str(error))), "code": error.exit_code}
    except Exception as error:  # noqa: BLE001 - one job's bug must not take the others' results along
        print_traceback()
        record |= {"error": one_line(hide(f"{type(error).__name__}: {error} (a bug)")), "code": BUG}
    if record["error"] and not single and record["run"] is None:  # else it is told already
        number = record["number"] + 1  # as the table counts
        note(f"evalkit: job {number} ({' '.join(record['overrides'])}): {record['error']}")
    with Path(os.environ[JOBS_VARIABLE]).open("a", encoding="utf-8") as file:
        # One short append: safe between the processes of a parallel launcher.
        file.write(json.dumps({**record, **place}) + "\n")
    if record["code"] == INTERRUPTED:
        raise KeyboardInterrupt
    return int(record["code"])


def _finish(jobs: Path, *, sweep: bool) -> int:
    """Print what the jobs did, also when the sweep was interrupted; return the worst exit code."""
    if not jobs.exists():
        return 0
    records = sorted(
        (json.loads(line) for line in jobs.read_text("utf-8").splitlines()),
        key=lambda one: int(one["number"]),
    )
    if sweep:
        _finish_sweep(records)
    else:
        _finish_single(records[0])
    return max(int(one["code"]) for one in records)


def _finish_single(record: Mapping[str, Any]) -> None:
    from evalkit.report.base import read

    if record["run"] is None:
        note(f"evalkit: {record['error']}")
    else:
        folder = Path(record["results_dir"]) / record["run"]
        print_finished(read(folder), str(folder))


def _finish_sweep(records: Sequence[Mapping[str, Any]]) -> None:
    from evalkit.report.base import read
    from evalkit.report.grid import text_table
    from evalkit.report.settings import rows_of, settings_grids
    from evalkit.report.suite import Member, Suite, write_suite

    results_dir = Path(records[0]["results_dir"])
    members = []
    for record in records:
        data = {name: record[name] for name in Member.__dataclass_fields__}
        if record["run"] is not None:  # a sweep over results_dir has runs in several places
            data["run"] = os.path.relpath(Path(record["results_dir"]) / record["run"], results_dir)
        members.append(Member(**data))
    name = records[0]["suite"] or "sweep"
    suite = Suite(f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}", name, members)
    path = write_suite(suite, results_dir)
    reports = {run: read(results_dir / run) for run in suite.runs}
    rows = rows_of(members, reports)
    print_tables([text_table(one) for one in settings_grids(rows)])
    _say_failed(rows)
    for folder in dict.fromkeys(str(record["results_dir"]) for record in records):
        note(f"reports: {Path(folder) / 'runs'}")
    note(f"suite: {path}")


def _say_failed(rows: Sequence[Row]) -> None:
    failed = [one for one in rows if one.error is not None]
    if failed:
        note(f"{len(failed)} of {len(rows)} jobs failed:")
        for one in failed:
            note(one.told)
