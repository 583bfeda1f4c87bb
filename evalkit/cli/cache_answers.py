"""Kept bodies as answers: read by the endpoint that they came from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from evalkit.cache.row import Row, request_of, unpack
from evalkit.errors import RequestError


def judge(row: Row) -> str | None:
    """Say why a row's body is no answer; None when it is one, or is of an endpoint that is not known here."""
    endpoint = _endpoints().get(str((request_of(row.request) or {}).get("endpoint")))
    if endpoint is None:
        return None
    try:
        endpoint.parse(unpack(row.body) or b"")
    except RequestError as error:
        # What was withheld for good was paid for, and is kept as what it is.
        return f"no answer ({error.message})" if error.retryable else None
    return None


def tokens(asked: Mapping[str, Any], body: bytes) -> tuple[int, int]:
    """Return prompt and completion tokens as the server counted them; zeros where it did not."""
    endpoint = _endpoints().get(str(asked.get("endpoint")))
    try:
        usage = None if endpoint is None else endpoint.parse(body).usage
    except RequestError:
        usage = None
    return (0, 0) if usage is None else (usage.prompt, usage.completion)


@cache
def _endpoints() -> dict[str, Any]:
    from evalkit.config.model import build_endpoints

    return build_endpoints()
