"""Settings of retrieval -> what looks passages up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit import search_path
from evalkit.errors import ConfigError
from evalkit.plugins import construct, plugin

if TYPE_CHECKING:
    from evalkit.config.schema import RetrievalConfig
    from evalkit.retrieval.knowledge import Columns, Knowledge
    from evalkit.retrieval.lookup import Lookup


def build_lookup(config: RetrievalConfig) -> Lookup | None:
    """Return what finds passages, its knowledge base read; None for retrieval=none."""
    if config._target_ is None:
        return None
    from evalkit.retrieval.chunks import Chunks
    from evalkit.retrieval.knowledge import Columns
    from evalkit.retrieval.lookup import Lookup
    from evalkit.retrieval.oracle import Oracle

    cls = plugin(config._target_, "retrieval", ("index",))
    if config.k < 1:
        raise ConfigError(f"retrieval.k={config.k}: must be at least 1 (retrieval=none for no passages)")
    _check_source(config)
    if issubclass(cls, Oracle) and config.relevant is None:
        raise ConfigError(
            "retrieval=gold shows the passages that the data names: set retrieval.relevant=<column with ids>"
        )
    retriever = construct(cls, config.options, "retrieval.options")
    chunk = config.chunk
    if chunk.tokens is None and chunk.overlap:
        raise ConfigError(f"retrieval.chunk.overlap={chunk.overlap}: set retrieval.chunk.tokens too")
    columns = Columns(config.text, config.title, config.id)
    own = config.passages is not None
    return Lookup(
        retriever=retriever,
        k=config.k,
        knowledge=None if own else _knowledge(config, columns),
        own=config.passages,
        columns=columns,
        query=config.query,
        relevant=config.relevant,
        chunks=None if chunk.tokens is None else Chunks(chunk.tokens, chunk.overlap),
    )


def _knowledge(config: RetrievalConfig, columns: Columns) -> Knowledge:
    from evalkit.retrieval.knowledge import read

    # As it was set: where evalkit is installed belongs in no report.
    name = ", ".join(map(str, config.path)) if isinstance(config.path, list) else str(config.path)
    return read(_paths(config.path), columns, config.encoding, name)


def _check_source(config: RetrievalConfig) -> None:
    if not config.path and config.passages is None:
        raise ConfigError(
            "retrieval has no passages: set retrieval.path=FILE (a knowledge base) or "
            "retrieval.passages=<column> (each sample brings its own), or ask without: retrieval=none"
        )
    if config.path and config.passages is not None:
        raise ConfigError(
            "retrieval.path and retrieval.passages are both set; for the knowledge base add "
            "retrieval.passages=null, for the samples' own passages retrieval.path=null"
        )


def _paths(path: Any) -> Any:
    """Return the setting with `benchmark:<name>` replaced by the file."""
    if isinstance(path, list):
        return [_paths(one) for one in path]
    return search_path.data_path(path) if isinstance(path, str) else path
