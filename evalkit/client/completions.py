"""The legacy completions endpoint: one prompt text instead of messages.

Checked against the types of the openai package (`openai.types.completion`, `completion_choice`). The messages
become one text (`prompt_of`). Log-probabilities are told in the form that chat completions have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.client.body import bad_response, choice_in, first_token_in, object_in, text_in, usage_in
from evalkit.client.parameters import Taken
from evalkit.client.streaming import Assembly, Choices
from evalkit.errors import ModelError
from evalkit.records import Message, Response

BETWEEN = "\n\n"
SPEAKERS = {"user": "User: ", "assistant": "Assistant: "}
"""What stands before a turn of a conversation; the instructions of the system have nothing before them."""


class Completions:
    """`POST /completions`."""

    name = "completions"
    path = "/completions"
    takes = Taken(
        "completions",
        refused={
            "top_logprobs": "set model.params.logprobs to the number instead",
            "reasoning_effort": "take it out",
            "verbosity": "take it out",
            "tool_choice": "add model.endpoint=chat",
            "parallel_tool_calls": "add model.endpoint=chat",
            "service_tier": "take it out",
            "max_output_tokens": "use model.params.max_tokens",
        },
        logprobs=int,
        most_logprobs=5,
        least=0,  # with echo: the prompt's own log-probabilities
    )
    streams_with: Mapping[str, Any] = {"stream_options": {"include_usage": True}}
    takes_schema = False

    def spell(self, params: Mapping[str, Any], accepts: Mapping[str, Any] | None) -> dict[str, Any]:  # noqa: ARG002 - one name for all models
        """Return the parameters as they are sent: `max_tokens` is the limit's only name."""
        return {
            "max_tokens" if name == "max_completion_tokens" else name: value for name, value in params.items()
        }

    def build(
        self,
        model: str,
        messages: Sequence[Message],
        params: Mapping[str, Any],
        answer_schema: Mapping[str, Any] | None,  # noqa: ARG002 - the endpoint knows none
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> dict[str, Any]:
        """Return the JSON body to send."""
        if tools:
            raise ModelError("the completions endpoint takes no tools; set model.endpoint=chat")
        return {"model": model, "prompt": prompt_of(messages), **params}

    def parse(self, body: bytes, place: int = 0) -> Response:
        """Return the answer of a body's choice; RequestError of kind bad_response or content_filter.

        With `echo` the text begins with the prompt.
        """
        data = object_in(body)
        choice = choice_in(data, body, place)
        text = choice.get("text")
        if not isinstance(text, str):
            raise bad_response("the choice has no text", body)
        return Response(
            text=text,
            finish_reason=text_in(choice.get("finish_reason")),
            model=text_in(data.get("model")),
            system_fingerprint=text_in(data.get("system_fingerprint")),
            usage=None if place else usage_in(data.get("usage")),
            logprobs=_logprobs(choice.get("logprobs")),
            time_to_first_token=first_token_in(data),
        )

    def assembly(self) -> Assembly:
        """Return what puts a streamed answer together."""
        return Choices("text_completion", _empty, _grow)


def prompt_of(messages: Sequence[Message]) -> str:
    """Return messages as one text, an empty line between them.

    Instructions and one question stand as they are, so that a lone `prompt.template` is the prompt to the
    letter. Of a longer conversation each turn begins with its speaker, and the last line asks for the answer.
    """
    turns = [one for one in messages if one["role"] in SPEAKERS]
    if any(one["role"] == "assistant" for one in turns) or len(turns) > 1:
        parts = [SPEAKERS.get(one["role"], "") + _content(one) for one in messages]
        if messages[-1]["role"] != "assistant":
            parts.append(SPEAKERS["assistant"].rstrip())
    else:
        parts = [_content(one) for one in messages]
    return BETWEEN.join(parts)


def _content(message: Message) -> str:
    content = message.get("content")
    if isinstance(content, list) and all(isinstance(one.get("text"), str) for one in content):
        return "".join(one["text"] for one in content)
    if not isinstance(content, str) or message["role"] == "tool":
        raise ModelError(
            f"a {message['role']} message is more than text, and the completions endpoint takes one text; "
            "set model.endpoint=chat"
        )
    return content


def _logprobs(value: Any) -> Any:
    """Return the parallel lists as chat completions give them: one entry a token."""
    if not isinstance(value, dict) or not isinstance(value.get("tokens"), list):
        return value  # of servers that give what chat gives (llama.cpp)
    tokens, known, others = (_listed(value, name) for name in ("tokens", "token_logprobs", "top_logprobs"))
    content = []
    for place, token in enumerate(tokens):
        top = others[place] if place < len(others) else None
        entry = _entry(token, known[place] if place < len(known) else None)
        shown = top.items() if isinstance(top, dict) else ()
        content.append({**entry, "top_logprobs": [_entry(*one) for one in shown]})
    return {"content": content, "refusal": None}


def _listed(value: Mapping[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    return found if isinstance(found, list) else []


def _entry(token: Any, logprob: Any) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": None}


def _empty() -> dict[str, Any]:
    return {"text": ""}


def _grow(choice: dict[str, Any], piece: Mapping[str, Any]) -> bool:
    """Add a chunk's text to the choice's."""
    text = piece.get("text")
    if not isinstance(text, str) or not text:
        return False
    choice["text"] += text
    return True
