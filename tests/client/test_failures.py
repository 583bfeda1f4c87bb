"""What the server answers over real HTTP -> the kind of failure, and whether asking again can help."""

from __future__ import annotations

import asyncio
import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from fake_openai import FakeOpenAI, Fault, FaultPlan, Reply
from runs import KEY, model_at, request_of

from evalkit.client.failures import from_client
from evalkit.errors import RequestError

RETRY, STOP, FAIL = (True, False), (False, True), (False, False)


def failure(where: FakeOpenAI | str, timeout: float = 20.0) -> RequestError:
    """The error of one request and of reading its answer."""

    async def ask() -> None:
        model = model_at(where, timeout=timeout)
        request = request_of(model)
        try:
            reply = await model.send(request)
            model.parse(request, reply.body)
        finally:
            await model.close()

    with pytest.raises(RequestError) as caught:
        asyncio.run(ask())
    return caught.value


def failure_of(fault: Fault, timeout: float = 20.0) -> RequestError:
    with FakeOpenAI(faults=FaultPlan.always(fault)) as server:
        return failure(server, timeout)


def failure_of_body(status: int, body: Any, headers: dict[str, str] | None = None) -> RequestError:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    with FakeOpenAI(answer=Reply(raw_body=raw, status=status, headers=headers or {})) as server:
        return failure(server)


def verdict(error: RequestError) -> tuple[bool, bool]:
    return error.retryable, error.fatal


@pytest.mark.parametrize(
    ("fault", "kind", "expected"),
    [
        (Fault.status(400), "bad_request", FAIL),
        (Fault.status(401), "authentication", STOP),
        (Fault.status(402), "quota", STOP),
        (Fault.status(403), "permission_denied", STOP),
        (Fault.status(404), "not_found", STOP),
        (Fault.status(408), "timeout", RETRY),
        (Fault.status(409), "conflict", RETRY),
        (Fault.status(413), "bad_request", FAIL),
        (Fault.status(422), "bad_request", FAIL),
        (Fault.status(429), "rate_limited", RETRY),
        (Fault.status(500), "server_error", RETRY),
        (Fault.status(502), "server_error", RETRY),
        (Fault.status(503), "server_error", RETRY),
        (Fault.status(504), "server_error", RETRY),
        (Fault.status(529), "server_error", RETRY),
        (Fault.status(429, code="billing_not_active"), "quota", STOP),
        (Fault.insufficient_quota(), "quota", STOP),
        (Fault.context_length_exceeded(), "context_length", FAIL),
        (Fault.content_filter(), "content_filter", FAIL),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_status_and_code_give_the_kind(fault: Fault, kind: str, expected: tuple[bool, bool]) -> None:
    error = failure_of(fault)
    assert (error.kind, verdict(error)) == (kind, expected)
    assert error.message.startswith("HTTP ")
    assert error.retry_after is None


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        # llama.cpp: the code repeats the status, the kind is the type
        (
            400,
            {"error": {"code": 400, "message": "too long", "type": "exceed_context_size_error"}},
            "context_length",
            "too long",
        ),
        # vLLM
        (
            400,
            {
                "object": "error",
                "message": "This model's maximum context length is 2048 tokens. However, you requested 3000",
                "type": "BadRequestError",
                "code": 400,
            },
            "context_length",
            "2048",
        ),
        # Ollama, an error that is a text
        (404, {"error": "model 'llama9' not found"}, "not_found", "llama9"),
        # FastAPI
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, "bad_request", "field required"),
        (403, {"detail": "Forbidden here"}, "permission_denied", "Forbidden here"),
        # a gateway's page, and nothing at all
        (502, b"<html><body>Bad   Gateway</body></html>", "server_error", "Bad Gateway"),
        (500, b"", "server_error", "500"),
        (500, b"\xff\xfe\x00garbage", "server_error", "garbage"),
        (500, b"[" * 5_000, "server_error", "[["),
        (400, [1, 2], "bad_request", "[1, 2]"),
        (400, {"error": {"message": {"nested": 1}, "code": ["x"]}}, "bad_request", "nested"),
        (400, {"error": None}, "bad_request", "HTTP 400"),
        (304, b"", "bad_request", "HTTP 304"),
    ],
)
def test_other_servers_spellings_are_understood(status: int, body: Any, kind: str, words: str) -> None:
    error = failure_of_body(status, body)
    assert error.kind == kind
    assert words in error.message
    assert len(error.message) < 400


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_read_in_all_its_spellings(
    status: int, headers: dict[str, str], seconds: float | None
) -> None:
    assert failure_of(Fault.status(status, headers=headers)).retry_after == seconds


def test_retry_after_as_a_date_counts_from_now() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    waited = failure_of(Fault.status(429, headers={"retry-after": date})).retry_after
    assert waited is not None
    assert 80 < waited <= 90


@pytest.mark.parametrize("name", ["drop_before", "drop_in_body", "garbage_wire"])
def test_broken_connection_is_tried_again_and_no_timeout(name: str) -> None:
    error = failure_of(Fault.named(name))
    assert (error.kind, verdict(error)) == ("connection", RETRY)


@pytest.mark.parametrize("fault", [Fault.stall(), Fault.slow_body(30.0)], ids=["stall", "slow_body"])
def test_no_whole_answer_in_time_is_a_timeout(fault: Fault) -> None:
    """A body that trickles in never reaches the client's own limit, which is for each read."""
    error = failure_of(fault, timeout=0.3)
    assert (error.kind, verdict(error)) == ("timeout", RETRY)
    assert "model.timeout" in error.message


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_refused_connection_on_this_machine_says_what_to_do(host: str) -> None:
    """Asking again would not start the server."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: connections are refused
        url = f"http://{host}:{taken.getsockname()[1]}/v1"
        error = failure(url)
    assert (error.kind, verdict(error)) == ("connection", STOP)
    assert error.message == f"nothing listens at {url}; start the server, or check model.base_url"


def test_server_that_went_away_is_waited_for() -> None:
    """It has answered before: perhaps it restarts."""

    async def ask() -> RequestError:
        with FakeOpenAI(answer="ok") as server:
            model = model_at(server)
            await model.send(request_of(model))
        try:
            await model.send(request_of(model))
        except RequestError as error:
            return error
        finally:
            await model.close()
        raise AssertionError("the server still answers")

    error = asyncio.run(ask())
    assert (error.kind, verdict(error)) == ("connection", RETRY)


def test_unknown_host_is_no_timeout() -> None:
    error = failure("http://nowhere.invalid/v1")
    assert (error.kind, verdict(error)) == ("connection", RETRY)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("html_200", "web page"),
        ("empty_200", "empty"),
        ("error_200", "error object"),
        ("truncated_json", "not whole JSON"),
        ("garbage_bytes", "not whole JSON"),
        ("invalid_utf8", "not whole JSON"),
        ("choices_null", "no choice"),
        ("no_choices", "no choice"),
        ("missing_message", "no message"),
    ],
)
def test_success_without_an_answer_is_tried_again(name: str, words: str) -> None:
    error = failure_of(Fault.named(name))
    assert (error.kind, verdict(error)) == ("bad_response", RETRY)
    assert words in error.message


def test_body_that_does_not_decompress_is_tried_again() -> None:
    error = failure_of_body(200, b"no gzip", {"content-encoding": "gzip"})
    assert (error.kind, verdict(error)) == ("bad_response", RETRY)


def test_redirects_without_end_are_no_crash() -> None:
    error = failure_of_body(307, b"", {"location": "/v1/chat/completions"})
    assert (error.kind, verdict(error)) == ("connection", RETRY)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "http://nowhere.invalid/v1"])
def test_server_that_cannot_be_reached_has_charged_nothing(url: str) -> None:
    error = failure(url)
    assert (error.reached, error.charged) == (False, False)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_gateway_that_gave_up_may_have_left_an_answer_to_be_paid(status: int) -> None:
    error = failure_of(Fault.status(status))
    assert (error.reached, error.charged) == (True, status in {408, 502, 504})


@pytest.mark.parametrize("name", ["drop_before", "drop_in_body", "garbage_wire", "stall:3600"])
def test_answer_that_got_lost_may_have_to_be_paid(name: str) -> None:
    error = failure_of(Fault.named(name), timeout=0.3)
    assert (error.reached, error.charged) == (True, True)


def test_rate_limits_of_a_refusal_are_kept_and_no_other_header() -> None:
    headers = {"x-ratelimit-limit-requests": "60", "x-ratelimit-reset-requests": "1s", "set-cookie": "a=b"}
    error = failure_of(Fault.status(429, headers=headers))
    assert error.headers == {"x-ratelimit-limit-requests": "60", "x-ratelimit-reset-requests": "1s"}


def test_defect_of_our_own_is_no_request_error() -> None:
    assert from_client(KeyError("x")) is None


FATAL = [Fault.status(401), Fault.status(403), Fault.status(404), Fault.insufficient_quota()]


@pytest.mark.parametrize("fault", FATAL, ids=lambda fault: fault.kind)
def test_fatal_error_says_what_to_check(fault: Fault) -> None:
    assert "(check " in failure_of(fault).message


@contextmanager
def rude_server(answer: bytes) -> Iterator[str]:
    """A socket that sends these bytes to whoever connects, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread.join(5)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\ncontent-length: 20\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"cho',
        b"HTTP/1.1 999999 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 100_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
    ids=["nothing", "half a head", "two lengths", "bad chunk", "half a chunk", "status", "long head", "ssh"],
)
def test_what_is_no_http_is_tried_again(answer: bytes) -> None:
    with rude_server(answer) as url:
        error = failure(url)
    assert verdict(error) == RETRY
    assert error.kind in {"connection", "bad_response"}


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
@pytest.mark.parametrize("padding", [0, 250, 290, 297])
def test_key_that_a_server_quotes_is_in_no_message(status: int, padding: int) -> None:
    """Also where the message is cut in the middle of the key."""
    quoted = {"error": {"message": "x" * padding + f"Incorrect API key provided: {KEY}.", "code": KEY}}
    error = failure_of_body(status, quoted)
    shown = str(error) + "".join(traceback.format_exception(error))
    for part in (KEY, KEY[:12], KEY[-8:]):
        assert part not in shown


def test_secrets_of_the_base_url_are_in_no_message() -> None:
    quoted = Reply(raw_body=b'{"error": "no: Basic bWU6aHVudGVyMi1odW50ZXIy, hunter2-hunter2"}', status=400)
    with FakeOpenAI(answer=quoted) as server:
        error = failure(server.base_url.replace("//", "//me:hunter2-hunter2@"))
    assert error.message == "HTTP 400: no: Basic [API key], [API key]"
