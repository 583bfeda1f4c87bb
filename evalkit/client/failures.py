"""What the openai package raises -> RequestError: its kind, and whether asking again can help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.errors import RequestError

if TYPE_CHECKING:
    import openai

# Statuses after which the same request may succeed.
RETRYABLE = {408: "timeout", 409: "conflict", 429: "rate_limited"}
# Statuses after which no request of this run can succeed.
FATAL = {401: "authentication", 403: "permission_denied", 404: "not_found"}
SHOWN = 300
SERVER_ERROR = 500
RATE_LIMIT = 429


def from_openai(error: openai.APIError) -> RequestError:
    """Return our error for one of the client's; the key is never part of a message."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return RequestError("timeout", "no whole answer within the time limit", retryable=True)
    if isinstance(error, openai.APIStatusError):
        return _from_status(error)
    if isinstance(error, openai.APIConnectionError):
        return RequestError("connection", _short(str(error.__cause__ or error)), retryable=True)
    return RequestError("bad_response", _short(str(error)), retryable=True)


def _from_status(error: openai.APIStatusError) -> RequestError:
    status = error.status_code
    code = str(error.code or _body_field(error.body, "code") or "")
    message = _short(f"HTTP {status}: {_body_field(error.body, 'message') or error.message}")
    if code in {"insufficient_quota", "billing_hard_limit_reached"}:
        return RequestError("quota", message, fatal=True)
    if code in {"context_length_exceeded", "exceed_context_size_error"}:
        return RequestError("context_length", message)
    if code in {"content_filter", "content_policy_violation"}:
        return RequestError("content_filter", message)
    if status in FATAL:
        return RequestError(FATAL[status], message, fatal=True)
    if status in RETRYABLE or status >= SERVER_ERROR:
        return RequestError(
            RETRYABLE.get(status, "server_error"),
            message,
            retryable=True,
            retry_after=_retry_after(error.response.headers),
        )
    return RequestError("bad_request", message)


def _body_field(body: object, name: str) -> Any:
    return body.get(name) if isinstance(body, dict) else None


def _retry_after(headers: Any) -> float | None:
    """Seconds the server asks to wait: `retry-after-ms`, or `retry-after` in seconds or as an HTTP date."""
    import time
    from email.utils import parsedate_to_datetime

    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return max(0.0, float(value) * scale)
        except ValueError:
            pass
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except ValueError:
            continue
    return None


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
