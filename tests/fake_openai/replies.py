"""What the fake model says: scripted replies, and a default that depends on every byte that matters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

import orjson

from fake_openai import schemas, tokens
from fake_openai.payloads import Body


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of one of the request's functions; `arguments` may be raw text, to script broken JSON."""

    name: str
    arguments: str | Mapping[str, Any] = "{}"
    id: str | None = None

    @property
    def text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else orjson.dumps(self.arguments).decode()


@dataclass(frozen=True, slots=True)
class Reply:
    """One choice, and how the response that carries it looks.

    `logprobs` are (token, log-probability) pairs; without them the fake's own are used when asked for.
    `usage` replaces the counted usage field by field. `status`, `headers` and `raw_body` replace the
    HTTP response; a `raw_body` is sent as it is. With several choices the first reply's win.
    """

    text: str | None = ""
    finish_reason: str = "stop"
    refusal: str | None = None
    tool_calls: Sequence[ToolCall] = ()
    logprobs: Sequence[tuple[str, float]] | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    usage: Mapping[str, Any] | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    raw_body: bytes | None = None

    @property
    def reason(self) -> str:
        return "tool_calls" if self.tool_calls and self.finish_reason == "stop" else self.finish_reason

    @property
    def content(self) -> str | None:
        """The text as the API sends it: null beside a refusal or bare tool calls."""
        bare = self.refusal is not None or bool(self.tool_calls)
        return None if bare and not self.text else self.text

    @property
    def output_tokens(self) -> int:
        written = (
            self.text or "",
            self.refusal or "",
            *(f"{call.name} {call.text}" for call in self.tool_calls),
        )
        return sum(tokens.count(text) for text in written)

    def token_logprobs(self) -> list[tuple[str, float]]:
        if self.logprobs is not None:
            return list(self.logprobs)
        return [(token, tokens.logprob(token)) for token in tokens.split(self.text or "")]


Said = str | Reply | Sequence[str | Reply]
Answer = Said | Callable[[Body], Said] | None


def digest(path: str, body: Body) -> str:
    """Identity of a request: 32 hex digits that do not depend on key order, white space or streaming."""
    asked = {name: value for name, value in body.items() if name not in ("stream", "stream_options")}
    canonical = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return blake2b(path.encode() + b"\n" + canonical, digest_size=16).hexdigest()


def choose(answer: Answer, body: Body, key: str, n: int) -> list[Reply]:
    """The n choices for a request; a sequence gives one each (repeating), else all are the same."""
    if answer is None:
        said: Said = [_default(body, key, choice) for choice in range(n)]
    else:
        said = answer(body) if callable(answer) else answer
    if isinstance(said, str | Reply):
        return [_reply(said, body)] * n
    return [_reply(said[choice % len(said)], body) for choice in range(n)]


def _reply(said: str | Reply, body: Body) -> Reply:
    return said if isinstance(said, Reply) else _as_sampled(Reply(said), body)


def _as_sampled(reply: Reply, body: Body) -> Reply:
    """Cut at `stop` and at the token limit, as a sampler does; an explicit Reply is never cut."""
    text = reply.text or ""
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.partition(stop)[0] if stop else text
    limit = tokens.output_limit(body)
    pieces = tokens.split(text)
    if limit is not None and len(pieces) > limit:
        return replace(reply, text="".join(pieces[:limit]), finish_reason="length")
    return replace(reply, text=text)


def _default(body: Body, key: str, choice: int) -> str | Reply:
    """The last user message with its words reversed, and a tag that any changed parameter changes."""
    tag = blake2b(f"{key}:{choice}".encode(), digest_size=4).hexdigest()
    users = [
        message["content"]
        for message in tokens.messages_of(body)
        if isinstance(message, dict) and message.get("role") == "user" and "content" in message
    ]
    words = tokens.content_text(users[-1]).split() if users else []
    text = " ".join([*reversed(words), tag])
    forced = body.get("tool_choice")
    if isinstance(forced, dict) or forced == "required":
        return Reply(None, tool_calls=[_forced_call(body, forced, tag)])
    text_config = body.get("text")
    nested = text_config.get("format") if isinstance(text_config, dict) else None
    wanted: Any = body.get("response_format") or nested or {}
    if wanted.get("type") == "json_object":
        return Reply(orjson.dumps({"answer": text}).decode())
    if wanted.get("type") == "json_schema":
        schema = wanted.get("json_schema", wanted).get("schema")
        return Reply(orjson.dumps(schemas.instance(schema, text, int(tag, 16))).decode())
    return text


def _forced_call(body: Body, forced: Any, tag: str) -> ToolCall:
    """A call of the function that `tool_choice` names, else of the first: chat nests it, responses do not."""
    functions = [tool.get("function", tool) for tool in body.get("tools") or []]
    name = forced.get("function", forced).get("name") if isinstance(forced, dict) else None
    chosen: dict[str, Any] = next((tool for tool in functions if name in (None, tool.get("name"))), {})
    value = schemas.instance(chosen.get("parameters") or {"type": "object"}, tag, int(tag, 16))
    return ToolCall(str(name or chosen.get("name", "unnamed")), value)
