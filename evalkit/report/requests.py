"""The messages of a stored run, rendered again from its prompt and samples: reports do not keep them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from evalkit.errors import EvalkitError
from evalkit.images.reference import shown
from evalkit.prompts import Prompt
from evalkit.prompts.turns import said
from evalkit.records import content_hash
from evalkit.report.base import Report
from evalkit.report.line import replies_of, sample_of


def text_in(message: Mapping[str, Any]) -> str:
    """Return a message as people read it: its text, images by what they are, and the calls that it makes."""
    content = shown(message.get("content"))
    parts = (
        [] if content is None or content == "" else [content if isinstance(content, str) else str(content)]
    )
    for call in message.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, Mapping) else None
        called = function if isinstance(function, Mapping) else {}
        parts.append(f"[calls {called.get('name')} with {called.get('arguments')}]")
    return "\n".join(parts)


class Requests:
    """Renders a run's messages; its templates are compiled once."""

    def __init__(self, report: Report) -> None:
        self._stored = report.prompt
        self._turns = (report.config.get("prompt") or {}).get("turns")

    def messages(self, line: Mapping[str, Any]) -> list[dict[str, Any]] | None:
        """Return what was sent for a line of samples.jsonl; None without a prompt, or where the hash differs.

        The hash in the line says that the messages are the same, byte for byte.
        """
        if self._stored is None:
            return None
        try:
            messages = [dict(one) for one in self._prompt.render(sample_of(line), replies_of(line))]
        except (EvalkitError, KeyError, TypeError):
            return None
        return messages if content_hash(messages) == line["prompt_sha256"] else None

    def talk(self, line: Mapping[str, Any]) -> list[tuple[str, str | None]]:
        """Return what the user said and the model replied, turn by turn; nothing without a conversation.

        The last reply is None where its request failed.
        """
        if self._turns is None:
            return []
        replies = replies_of(line)
        try:
            users = said(self._turns, sample_of(line), replies, "")
        except (EvalkitError, KeyError, TypeError):
            return []
        return list(zip(users, [*replies, line.get("output")], strict=False))

    @cached_property
    def _prompt(self) -> Prompt:
        assert self._stored is not None
        return Prompt(self._stored["name"], **self._stored["source"])
