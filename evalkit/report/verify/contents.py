"""Checks of what was asked and answered: samples, data, prompts, keys of requests, predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evalkit.errors import EvalkitError, PromptError
from evalkit.prompts import Prompt
from evalkit.records import Question, Request, content_hash
from evalkit.report.line import replies_of, sample_of
from evalkit.report.verify.base import Check, Stored, place_of, unlike

if TYPE_CHECKING:
    from evalkit.client.base import Model


def samples(found: Stored) -> Check:
    """Inputs and targets have the hashes that they are stored with, and each line is there once."""
    wrong = [
        f'sample "{line["id"]}", trial {line["trial"]}: input or target is not what its hash says'
        for line in found.lines
        if sample_of(line).hash != line["hash"]
    ]
    places = Counter((line["id"], line["trial"]) for line in found.lines)
    wrong += [f'sample "{one}", trial {trial}: {n} lines' for (one, trial), n in places.items() if n > 1]
    n = found.report.dataset["n"]
    if len(found.samples) != n:
        wrong.append(f"the report speaks of {n} samples, samples.jsonl holds {len(found.samples)}")
    return Check("samples", f"contents of {len(found.samples)} samples", wrong)


def dataset(found: Stored) -> Check:
    """The data has the fingerprint, and retrieval the passages, of the run."""
    what = "fingerprint of the data"
    dataset = found.at_hand.dataset
    if dataset is None:
        return Check("dataset", what, skipped=found.at_hand.lacking.get("dataset", "the data is not at hand"))
    stored = found.report.dataset
    wrong = list(unlike("fingerprint", stored["fingerprint"], dataset.fingerprint))
    wrong += unlike("n", stored["n"], len(dataset.samples))
    now = {one.id: one.hash for one in dataset.samples}
    for name, sample in found.samples.items():
        if name not in now:
            wrong.append(f'sample "{name}" is not in the data')
        elif now[name] != sample.hash:
            wrong.append(f'sample "{name}" has another input or target in the data')
    if "retrieval" not in stored:
        return Check("dataset", what, wrong)
    passages = found.at_hand.passages
    if passages is None:
        why = found.at_hand.lacking.get("passages", "the passages are not at hand")
        return Check("dataset", what, wrong, remark=f"passages not checked: {why}")
    wrong += [
        f'sample "{name}": retrieval finds other passages now'
        for name, sample in found.samples.items()
        if list(sample.added.get("retrieved", ())) != list(passages.get(name, ()))
    ]
    return Check("dataset", f"{what}, passages of {len(passages)} samples", wrong)


def prompts(found: Stored) -> Check:
    """The templates, and what they render, have the stored hashes."""
    stored = found.report.prompt
    if stored is None:
        return Check("prompts", "recorded outputs: nothing was asked")
    source = stored["source"]
    wrong = list(unlike("sha256 of the templates", stored["sha256"], content_hash(source)))
    try:
        prompt = Prompt(stored["name"], **source)
        hashes = [
            content_hash([dict(one) for one in prompt.render(sample_of(line), replies_of(line))])
            for line in found.lines
        ]
    except (EvalkitError, TypeError) as error:
        return Check("prompts", "rendered prompts", [*wrong, f"the templates cannot be rendered: {error}"])
    wrong += [
        f'sample "{line["id"]}", trial {line["trial"]}: the rendered prompt is not what its hash says'
        for line, made in zip(found.lines, hashes, strict=True)
        if line["prompt_sha256"] != made
    ]
    return Check("prompts", f"templates and {len(set(hashes))} rendered prompts", wrong)


def request_keys(found: Stored) -> Check:
    """The requests made from settings and samples have the stored keys."""
    what, model, stored = "keys of the requests", found.at_hand.model, found.report.prompt
    if model is None:
        why = found.at_hand.lacking.get("model", "the model's settings are not at hand")
        return Check("request keys", what, skipped=why)
    try:
        prompt = None if stored is None else Prompt(stored["name"], **stored["source"])
        made = [
            (line, turn["request_key"], _request(found, model, prompt, line, place).key)
            for line in found.lines
            for place, turn in enumerate((*line.get("turns", ()), line))
        ]
    except (EvalkitError, TypeError) as error:
        return Check("request keys", what, [f"the requests cannot be made again: {error}"])
    wrong = [
        f"{place_of(line)}: the request has another key"
        for line, stored_key, key in made
        if key != stored_key
    ]
    return Check("request keys", f"{what} of {len(made)} answers", wrong)


def _request(
    found: Stored, model: Model, prompt: Prompt | None, line: Mapping[str, Any], place: int
) -> Request:
    """Return the question of a line's conversation that stands at a place from 0."""
    sample, trial, replies = sample_of(line), line["trial"], replies_of(line)[:place]
    question = Question(turn=len(replies)) if prompt is None else prompt.ask(sample, replies)
    if question is None:
        raise PromptError(f"{place_of(line)}: the conversation ends before its last answer")
    request = model.request(sample, question, trial)
    if request.choices > 1:  # one request, several trials
        request = replace(request, trial=trial - trial % request.choices)
    # As it was then: the embedded model's versions may have moved on, and are part of the key.
    return replace(request, server=found.report.model["identity"])


def predictions(found: Stored) -> Check:
    """Post-processing reads the stored predictions from the outputs."""
    what = f"predictions of {len(found.answered)} outputs"
    if found.at_hand.postprocess is None:
        why = found.at_hand.lacking.get("postprocess", "the post-processing is not at hand")
        return Check("predictions", what, skipped=why)
    wrong = [
        f"{place_of(line)}: the output gives {_read(one.prediction, one.unparsed)}, "
        f"stored is {_read(line['prediction'], line.get('unparsed'))}"
        for line, one in zip(found.answered, found.generations, strict=True)
        if (one.prediction, one.unparsed) != (line["prediction"], line.get("unparsed"))
    ]
    return Check("predictions", what, wrong)


def _read(prediction: Any, unparsed: str | None) -> str:
    return f'"{prediction}"' if unparsed is None else f"none ({unparsed})"
