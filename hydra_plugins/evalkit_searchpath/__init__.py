"""Puts the user's own ./configs in front of evalkit's on Hydra's search path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hydra.plugins.search_path_plugin import SearchPathPlugin

from evalkit import search_path as places

if TYPE_CHECKING:
    from hydra.core.config_search_path import ConfigSearchPath


class EvalkitSearchPath(SearchPathPlugin):
    """Active only while evalkit composes: other Hydra programs in the environment are left alone."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Put ./configs first."""
        mine = places.user_configs() if places.active else None
        if mine is not None:
            search_path.prepend("user", f"file://{mine}")
