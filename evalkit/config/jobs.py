"""A sweep's overrides -> those of each of its jobs, as Hydra's own sweeper splits them."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.config.compose import PRIMARY, config_dir, our_search_path, register_schema
from evalkit.config.explain import explained
from evalkit.config.trust import check_primary


def jobs_of(overrides: Sequence[str]) -> list[list[str]]:
    """Return each job's overrides; Hydra's own settings (`hydra.launcher…`) are left out: nothing is run."""
    from hydra import initialize_config_dir
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser

    register_schema()
    with (
        our_search_path(),
        explained(overrides),
        initialize_config_dir(str(config_dir()), version_base="1.3"),
    ):
        check_primary(PRIMARY)
        loader = GlobalHydra.instance().config_loader()
        parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(overrides))
        ours = [one for one in parsed if not one.key_or_group.startswith(("hydra.", "hydra/"))]
        (jobs,) = BasicSweeper.split_arguments(ours, None)
    return [list(job) for job in jobs]
