"""The configs of the metrics of multiple choice and safety name every option, with its default."""

from __future__ import annotations

import inspect
import json
from importlib import import_module

import pytest
from omegaconf import OmegaConf

from evalkit.metrics.base import Metric
from evalkit.records import Sample
from evalkit.search_path import shipped

FAMILIES = (
    *("choice_accuracy", "position_bias", "consistency", "refusal", "over_refusal", "balanced_refusal"),
    *("leak", "bias", "bias_accuracy", "pair_difference"),
)
SAMPLE = Sample("s", {"choices": ["Yes", "No"]}, "A")


def config_of(family: str) -> tuple[type[Metric], dict[str, object]]:
    path = shipped("configs") / "metrics" / f"{family}.yaml"
    found = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    assert isinstance(found, dict)
    assert list(found) == [family]
    options = dict(found[family])
    module, _, name = options.pop("_target_").rpartition(".")
    return getattr(import_module(module), name), options


@pytest.mark.parametrize("family", FAMILIES)
def test_the_config_names_every_option_with_its_default(family: str) -> None:
    kind, options = config_of(family)
    parameters = inspect.signature(kind).parameters.values()
    assert all(one.kind is inspect.Parameter.KEYWORD_ONLY for one in parameters)
    assert options == {one.name: one.default for one in parameters if one.name != "sizes"}  # bound, never set


@pytest.mark.parametrize("family", FAMILIES)
def test_options_of_a_bound_metric_are_plain_and_rebuild_it(family: str) -> None:
    kind, _ = config_of(family)
    bound = kind().bind([SAMPLE])
    rebuilt = kind(**json.loads(json.dumps(bound.options)))
    assert (rebuilt.names, rebuilt.key, rebuilt.headline) == (bound.names, bound.key, bound.headline)
    assert set(bound.headline) <= set(bound.names)


def test_no_two_of_them_give_a_value_of_one_name() -> None:
    names = [name for family in FAMILIES for name in config_of(family)[0]().names]
    assert len(names) == len(set(names))
