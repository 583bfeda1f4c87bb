"""What the openai package and its transport raise -> RequestError: its kind, whether to ask again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from evalkit.errors import RequestError

if TYPE_CHECKING:
    import openai

# Statuses after which the same request may succeed.
RETRYABLE = {408: "timeout", 409: "conflict", 429: "rate_limited"}
# Statuses of a gateway that gave up: the model behind it may have answered.
LOST = {408, 502, 504}
# Statuses after which no request of this run can succeed.
FATAL = {401: "authentication", 402: "quota", 403: "permission_denied", 404: "not_found"}
# The same and more by the API's own codes; llama.cpp gives them as the error's type.
QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
CONTEXT = {"context_length_exceeded", "exceed_context_size_error"}
FILTERED = {"content_filter", "content_policy_violation"}
CONTEXT_WORDS = "maximum context length"  # vLLM gives no code
REMEDY = {
    "authentication": "check the API key in the variable that model.api_key_env names",
    "permission_denied": "check what this API key may use",
    "not_found": "check model.name and model.base_url",
    "quota": "check the account's plan and billing",
}
RATE = "x-ratelimit"
NOBODY_THERE = "Connect call failed"  # asyncio's words; the attempts at several addresses hide their errno
SHOWN = 300
SERVER_ERROR = 500


def from_client(error: Exception, hide: Callable[[str], str] = str) -> RequestError | None:
    """Return our error for one of the client's or its transport's; None for what is neither.

    `hide` takes secrets out of a text; it sees the whole of it, before it is cut to a readable length.
    """
    import aiohttp
    import httpx2
    import openai

    if isinstance(error, openai.APIStatusError):
        return _from_status(error, hide)
    known = (openai.OpenAIError, aiohttp.ClientError, httpx2.HTTPError, httpx2.StreamError, OSError)
    if not isinstance(error, known):
        return None
    reached = not any(
        _any(error, kind) for kind in (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
    )
    # What was sent may have been answered, and paid for, though the answer got lost.
    # The aiohttp transport calls a refused or dropped connection a time-out: the first cause tells.
    *_, first = _causes(error)
    if _any(error, TimeoutError) or isinstance(first, httpx2.TimeoutException):
        kind, said = "timeout", "no whole answer within the time limit, model.timeout"
    else:
        kind = "bad_response" if _any(error, httpx2.DecodingError) else "connection"
        said = _short(hide(str(first) or type(first).__name__))
    return RequestError(kind, said, retryable=True, reached=reached, charged=reached)


def refused(error: Exception) -> bool:
    """Whether nothing listens at the address that was asked."""
    *_, first = _causes(error)
    return isinstance(first, ConnectionRefusedError) or (
        isinstance(first, OSError) and NOBODY_THERE in str(first)
    )


def _from_status(error: openai.APIStatusError, hide: Callable[[str], str]) -> RequestError:
    status = error.status_code
    words = {str(_field(error.body, name)) for name in ("code", "type")}
    said = _short(hide(f"HTTP {status}: {_said(error)}"))
    if words & QUOTA:
        return RequestError("quota", f"{said} ({REMEDY['quota']})", fatal=True)
    if words & CONTEXT or (status < SERVER_ERROR and CONTEXT_WORDS in said):
        return RequestError("context_length", said)
    if words & FILTERED:
        return RequestError("content_filter", said + hide(_filters(error.body)))
    if status in FATAL:
        kind = FATAL[status]
        return RequestError(kind, f"{said} ({REMEDY[kind]})", fatal=True)
    if status in RETRYABLE or status >= SERVER_ERROR:
        kind = RETRYABLE.get(status, "server_error")
        return RequestError(
            kind,
            said,
            retryable=True,
            retry_after=_retry_after(error.response.headers),
            charged=status in LOST,
            headers=_limits(error.response.headers),
        )
    return RequestError("bad_request", said)


def _filters(body: object) -> str:
    """Name the filters that Azure says were hit."""
    found = _field(_field(body, "innererror"), "content_filter_result")
    if not isinstance(found, dict):
        return ""
    hit = [str(name) for name, result in found.items() if _field(result, "filtered") is True]
    return f" ({', '.join(hit)})" if hit else ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what caused it, the first cause last."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _any(error: BaseException, kind: type[BaseException]) -> bool:
    return any(isinstance(cause, kind) for cause in _causes(error))


def _said(error: openai.APIStatusError) -> str:
    """Return the server's own words: OpenAI's `message`, FastAPI's `detail`, or the body itself."""
    said = _field(error.body, "message") or _field(error.body, "detail")
    return str(said or error.body or error.message)


def _field(body: object, name: str) -> Any:
    return body.get(name) if isinstance(body, dict) else None


def _limits(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith(RATE)}


def _retry_after(headers: Any) -> float | None:
    """Seconds the server asks to wait: `retry-after-ms`, or `retry-after` in seconds or as an HTTP date."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * scale
        except ValueError:
            seconds = _until(value)
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def _until(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, OverflowError):
        return math.nan


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
