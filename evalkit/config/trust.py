"""What a config file may make Hydra itself run: nothing that the user has not allowed.

A pull request can change configs; whoever evaluates it must not run its code. evalkit's own `_target_`s go
through plugins.py. Hydra has four doors more: it instantiates callbacks, launchers and sweepers (with every
`_target_` inside them), configures logging from factories, sets environment variables for jobs, and imports
packages on its search path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from evalkit import search_path
from evalkit.errors import ConfigError
from evalkit.plugins import plugin

HYDRAS_OWN = ("hydra.", "hydra_plugins.")
SILENT = {"version": 1, "root": None, "disable_existing_loggers": False}
"""hydra/job_logging=none, which configs/evalkit.yaml chooses."""


def check_primary(name: str) -> None:
    """Refuse a user's primary config that puts packages on Hydra's search path: Hydra imports them."""
    mine = search_path.user_configs()
    if mine is None or not (mine / f"{name}.yaml").is_file():
        return
    settings = OmegaConf.load(mine / f"{name}.yaml")
    for place in OmegaConf.select(settings, "hydra.searchpath") or ():
        if str(place).startswith("pkg://"):
            raise ConfigError(
                f"{mine / name}.yaml: hydra.searchpath names {place}; configs may not import packages: "
                "name a folder (file://…), or give it on the command line"
            )


def check_hydra(config: DictConfig) -> None:
    """Refuse settings of Hydra's own that would run code from packages the user has not allowed."""
    node = config.hydra
    for path, target in _targets(OmegaConf.to_container(node, resolve=True), "hydra"):
        own = path in {"hydra.launcher", "hydra.sweeper"} and str(target).startswith(HYDRAS_OWN)
        if not own:
            plugin(target, path, ours=False)
    for part in ("job_logging", "hydra_logging"):
        if OmegaConf.to_container(node[part], resolve=True) != SILENT:
            raise ConfigError(
                f"hydra.{part}: logging configs can run code and break the progress bar; "
                f"leave hydra/{part} as it is (none)"
            )
    if node.job.env_set:
        names = ", ".join(str(name) for name in node.job.env_set)
        raise ConfigError(f"hydra.job.env_set sets {names}; configs may not: export it before the command")


def check_composition(name: str, overrides: Sequence[str], shipped: Path, more: str | None) -> None:
    """Compose as Hydra will, a sweep's jobs included, and check what comes out before anything of it runs.

    A swept choice (task=a,b) brings settings of its own. Hydra's basic sweeper is known; the jobs of another
    one are checked when they start.
    """
    from hydra import initialize_config_dir
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.types import RunMode

    words = list(overrides)
    if more is not None:
        words.append(f'hydra.searchpath=["file://{Path(more).resolve()}"]')
    with initialize_config_dir(str(shipped), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        master = loader.load_configuration(
            config_name=name, overrides=words, run_mode=RunMode.MULTIRUN, validate_sweep_overrides=False
        )
        check_hydra(master)
        parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(overrides))
        if not any(one.is_discrete_sweep() for one in parsed):
            return
        (jobs,) = BasicSweeper.split_arguments(parsed, None)
        # Choices bring files; values given on the command line are the user's own.
        for job in {
            tuple(one for one in job if "." not in one.partition("=")[0]): job for job in jobs
        }.values():
            check_hydra(loader.load_sweep_config(master, list(job)))


def _targets(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        if "_target_" in value:
            yield path, value["_target_"]
        for key, one in value.items():
            yield from _targets(one, f"{path}.{key}")
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _targets(one, f"{path}[{place}]")
