"""The replies of a conversation, one by one."""

from __future__ import annotations

from evalkit.records import Generation, Response


def reply_at(generation: Generation, place: int, turns: int) -> Generation:
    """Return the reply at a place from 0 as an answer of its own; unparsed where there is none.

    Of an answer that is a single text (recorded outputs) that text is the last of the `turns` replies.
    """
    replies, predictions = generation.replies, generation.predictions
    if len(replies) == 1 and place == turns - 1:
        return generation
    if place >= len(replies) or len(replies) == 1 < turns:
        reason = f"no reply in turn {place + 1}"
        return Generation(generation.sample_id, generation.trial, Response(""), None, reason)
    if place == len(replies) - 1:
        return generation
    prediction = predictions[place]
    reason_of = "could not be parsed" if prediction is None else None
    return Generation(
        generation.sample_id, generation.trial, Response(replies[place]), prediction, reason_of
    )
