"""POST /v1/completions (legacy), shaped as openai.types.Completion (the tests parse it with that)."""

from typing import Any

from fake_openai import tokens
from fake_openai.endpoints.base import Call, Route, check_sampling, created, finish, usage
from fake_openai.payloads import ApiError, Body, Payload
from fake_openai.replies import Reply


def create(call: Call) -> Payload:
    """n choices for each prompt, in prompt order; `echo` puts the prompt, scored, in front."""
    body = call.body
    model = call.script.check_model(body.get("model"))
    n = check_sampling(body)
    shown = body.get("logprobs")
    if isinstance(shown, int) and not 0 <= shown <= 5:
        raise ApiError(
            400,
            f"Invalid value for 'logprobs': {shown} is not in [0, 5].",
            param="logprobs",
            code="invalid_value",
        )
    choices: list[Body] = []
    said: list[Reply] = []
    for prompt in prompts(body):
        # The reply to a batch of prompts is scripted prompt by prompt.
        one = Call(call.method, call.path, {**body, "prompt": prompt}, f"{call.key}{len(said)}", call.script)
        for reply in one.replies(n):
            choices.append(_choice(len(choices), prompt, reply, body))
            said.append(reply)
    first = said[0]
    value: Body = {
        "id": f"cmpl-{call.key[:29]}",
        "object": "text_completion",
        "created": created(),
        "model": first.model or model,
        "choices": choices,
        "usage": usage(tokens.prompt_tokens(body), sum(_written(reply, body) for reply in said), said),
        "system_fingerprint": first.system_fingerprint or call.script.system_fingerprint,
    }
    return finish(first, value)


def prompts(body: Body) -> list[str]:
    """The prompts as texts: a string, strings, token ids, or lists of token ids; absent means end-of-text."""
    given = body.get("prompt") or "<|endoftext|>"
    if isinstance(given, str):
        return [given]
    if isinstance(given[0], int):
        return [_from_ids(given)]
    return [_from_ids(entry) if isinstance(entry, list) else entry for entry in given]


def _from_ids(ids: list[Any]) -> str:
    return " ".join(f"<{token}>" for token in ids)


def _nothing_wanted(body: Body) -> bool:
    """`max_tokens=0` with `echo` scores the prompt and writes nothing."""
    return body.get("max_tokens") == 0


def _written(reply: Reply, body: Body) -> int:
    return 0 if _nothing_wanted(body) else reply.output_tokens


def _choice(index: int, prompt: str, reply: Reply, body: Body) -> Body:
    echoed = prompt if body.get("echo") else ""
    scored: list[tuple[str, float | None]] = [
        (token, tokens.logprob(token)) for token in tokens.split(echoed)
    ]
    if scored:
        # Nothing comes before the first token of a prompt: the API gives it null.
        scored[0] = (scored[0][0], None)
    written = "" if _nothing_wanted(body) else reply.text or ""
    if written:
        scored += reply.token_logprobs()
    shown = body.get("logprobs")
    reason = "length" if _nothing_wanted(body) else reply.finish_reason
    return {
        "index": index,
        "text": echoed + written,
        "logprobs": _logprobs(scored, shown) if shown is not None else None,
        "finish_reason": reason,
    }


def _logprobs(scored: list[tuple[str, float | None]], k: int) -> Body:
    """Four parallel lists, as in openai.types.completion_choice.Logprobs."""
    offsets = [0]
    for token, _ in scored:
        offsets.append(offsets[-1] + len(token))
    return {
        "tokens": [token for token, _ in scored],
        "token_logprobs": [value for _, value in scored],
        "top_logprobs": [
            None if value is None else dict(tokens.alternatives(token, value, k)) for token, value in scored
        ],
        "text_offset": offsets[:-1],
    }


ROUTES = [Route("POST", "/v1/completions", create)]
