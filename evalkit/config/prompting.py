"""Settings -> how a sample is asked, and how the answer is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.config.data import build_dataset
from evalkit.config.pool import pool_of
from evalkit.config.schema import PromptConfig, RunConfig
from evalkit.errors import ConfigError, PromptError
from evalkit.plugins import named
from evalkit.prompts import Prompt

if TYPE_CHECKING:
    from evalkit.datasets.base import Dataset
    from evalkit.postprocess import Pipeline
    from evalkit.retrieval.lookup import Lookup
    from evalkit.variations import Variation


def build_prompt(config: PromptConfig) -> Prompt:
    """Return the templates; `prompt.file` is read now: a missing file shows before anything is sent."""
    template = config.template
    if config.file is not None:
        try:
            template = Path(config.file).expanduser().read_text("utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise PromptError(f"prompt.file={config.file}: cannot be read ({error})") from None
    schema = config.answer_schema
    if schema is not None and not isinstance(schema, Mapping | str):
        raise ConfigError(
            "prompt.answer_schema must be a JSON schema (a mapping), the name of a field with one, or null; "
            f"got {schema!r}"
        )
    if not template and config.turns is not None:
        template = "{{ turn }}"
    if not template and config.history is None:
        raise PromptError("no prompt: set prompt.template='…{{ field }}…', prompt.file=PATH or prompt=<name>")
    return Prompt(
        name=config.name,
        template=template or "",
        system=config.system,
        messages=config.messages,
        variables=config.variables,
        answer_schema=schema or None,
        history=config.history,
        images=_images(config.images),
        tools=config.tools,
        turns=config.turns,
    )


def _images(setting: Any) -> Any:
    """Return the fields with images as the prompt is told of them."""
    if setting is None:
        return None
    from evalkit.config.pictures import pictures_of

    return pictures_of(setting).wanted


def build_fewshot(
    config: RunConfig, dataset: Dataset, prompt: Prompt, lookup: Lookup | None = None
) -> tuple[Prompt, Mapping[str, Any] | None]:
    """Return the prompt with its examples and how they were chosen; the prompt itself for fewshot.k=0.

    The samples have no passages yet, so that an example that asks the same is known; with `lookup` each
    example gets its own.
    """
    settings = config.fewshot
    if settings.k == 0:
        return prompt, None
    from evalkit.datasets.fewshot import Shots, choose

    pool_config = pool_of(config.dataset, settings)
    pool = build_dataset(pool_config)
    shots = Shots(settings.k, settings.seed, settings.balanced)
    chosen = choose(pool, dataset.samples, prompt.question, shots)
    shown = chosen if lookup is None else lookup.apply(chosen).samples
    examples = [{"input": one.fields, "answer": prompt.answer(settings.answer, one)} for one in shown]
    used = {
        "k": settings.k,
        "seed": settings.seed,
        "balanced": settings.balanced,
        "form": settings.form,
        "split": pool_config.split,
        "pool": pool.name,
        "fingerprint": pool.fingerprint,
        "origin": dict(pool.origin),
        "ids": [one.id for one in chosen],
    }
    return prompt.with_examples(examples, settings.cue if settings.form == "inline" else None), used


def build_postprocess(steps: list[Any]) -> Pipeline:
    """Return the steps: each a name, a name with options, or a class by `_target_`."""
    from evalkit.postprocess import STEPS, Pipeline

    made = [named(one, STEPS, f"task.postprocess[{place}]") for place, one in enumerate(steps)]
    return Pipeline(made, steps)


def build_variation(config: Any) -> Variation | None:
    """Return how samples differ from trial to trial; None where they do not."""
    from evalkit.variations import VARIATIONS

    return None if config is None else named(config, VARIATIONS, "task.vary", ("apply", "name"))
