"""What a stored run was made with, built again from the settings in its report; nothing is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from evalkit.config.compose import from_plain
from evalkit.config.data import build_data, build_passages
from evalkit.config.model import build_model
from evalkit.config.passages import build_lookup
from evalkit.config.prompting import build_postprocess
from evalkit.config.spending import build_budget
from evalkit.errors import EvalkitError
from evalkit.report.verify.base import AtHand

if TYPE_CHECKING:
    from evalkit.config.schema import RunConfig
    from evalkit.datasets.base import Dataset
    from evalkit.report.base import Report

T = TypeVar("T")
HUB = "evalkit.datasets.hub.Hub"


def at_hand(report: Report, *, fetch: bool = False) -> AtHand:
    """Return the post-processing, model and data of a run as far as they can be built here.

    Data on the hub is read only with `fetch`. Files are looked for from the working directory, as in the run.
    """
    lacking: dict[str, str] = {}

    def attempt(part: str, build: Callable[[], T]) -> T | None:
        try:
            return build()
        except EvalkitError as error:
            lacking[part] = str(error)
            return None

    postprocess = attempt("postprocess", lambda: build_postprocess(report.postprocess))
    config = attempt("settings", lambda: from_plain(report.config))
    if config is None:
        return AtHand(
            postprocess, lacking={**lacking, "model": lacking["settings"], "dataset": lacking["settings"]}
        )
    _same_server(config, report)
    dataset = None
    if config.dataset.path == "-":
        lacking["dataset"] = "the samples came from standard input"
    elif config.dataset._target_ == HUB and not fetch:
        lacking["dataset"] = "the data is on the hub; --fetch reads it"
    else:
        dataset = attempt("dataset", lambda: build_data(config))
    passages = None
    if dataset is not None and "retrieval" in report.dataset:
        passages = attempt("passages", lambda: _found(config, dataset))
    model = attempt("model", lambda: build_model(config))
    budget = None if model is None else attempt("budget", lambda: build_budget(config, model))
    return AtHand(
        postprocess=postprocess,
        model=model,
        dataset=dataset,
        passages=passages,
        batch=budget is not None and budget.batch,
        lacking=lacking,
    )


def _found(config: RunConfig, dataset: Dataset) -> dict[str, list[str]]:
    """Return the ids of the documents that retrieval finds for each sample."""
    shown, _ = build_passages(dataset, config.retrieval, build_lookup(config.retrieval))
    return {sample.id: list(sample.added.get("retrieved", ())) for sample in shown.samples}


def _same_server(config: RunConfig, report: Report) -> None:
    """Where the address came from the environment, the report knows it: bodies may depend on whose it is."""
    identity = str(report.model.get("identity", ""))
    if config.model.base_url is None and identity.startswith(("http://", "https://")):
        config.model.base_url = identity
