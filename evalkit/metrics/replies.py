"""The replies of a conversation, one by one."""

from __future__ import annotations

from evalkit.records import Generation, Response


def reply_at(generation: Generation, place: int, turns: int) -> Generation:
    """Return the reply at a place from 0 as an answer of its own; unparsed where there is none.

    An answer that is a single text (made up, or of a model that was shown the whole conversation) is the
    last of the `turns` replies.
    """
    single = not generation.earlier
    if place == (turns - 1 if single else len(generation.earlier)):
        return generation if single else _alone(generation)
    if single or place > len(generation.earlier):
        why = f"there is no reply {place + 1}"
        return Generation(generation.sample_id, generation.trial, Response(""), None, why)
    prediction = generation.earlier_predictions[place]
    return Generation(
        generation.sample_id,
        generation.trial,
        generation.earlier[place],
        prediction,
        "could not be parsed" if prediction is None else None,
    )


def _alone(generation: Generation) -> Generation:
    return Generation(
        generation.sample_id,
        generation.trial,
        generation.response,
        generation.prediction,
        generation.unparsed,
    )
