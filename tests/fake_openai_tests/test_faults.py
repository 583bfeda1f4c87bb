"""Each fault as clients meet it, and each plan's choice of requests."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout
from fake_openai import FakeOpenAI, Fault, FaultPlan, Occasion

STATUSES: list[tuple[Fault, type[openai.APIStatusError], str | None]] = [
    (Fault.status(429, retry_after=1.5), openai.RateLimitError, "rate_limit_exceeded"),
    (Fault.insufficient_quota(), openai.RateLimitError, "insufficient_quota"),
    (Fault.status(400), openai.BadRequestError, None),
    (Fault.context_length_exceeded(), openai.BadRequestError, "context_length_exceeded"),
    (Fault.content_filter(), openai.BadRequestError, "content_filter"),
    (Fault.status(401), openai.AuthenticationError, "invalid_api_key"),
    (Fault.status(403), openai.PermissionDeniedError, "unsupported_country_region_territory"),
    (Fault.status(404), openai.NotFoundError, "model_not_found"),
    (Fault.status(408), openai.APIStatusError, None),
    (Fault.status(409), openai.ConflictError, None),
    (Fault.status(422), openai.UnprocessableEntityError, None),
    (Fault.status(500), openai.InternalServerError, None),
    (Fault.status(502), openai.InternalServerError, None),
    (Fault.status(503), openai.InternalServerError, None),
    (Fault.status(529), openai.InternalServerError, None),
]


def body(text: str = "hi") -> dict[str, Any]:
    return {"model": "gpt-4", "messages": [{"role": "user", "content": text}]}


def ask(server: FakeOpenAI, text: str = "hi") -> dict[str, Any]:
    with openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
        return client.post("/chat/completions", body=body(text), cast_to=dict[str, Any])


def fetch(server: FakeOpenAI, path: str = "chat/completions", timeout: float = 5.0) -> tuple[int, str, bytes]:
    """Status, content type and body as they came over the wire."""

    async def run() -> tuple[int, str, bytes]:
        async with (
            ClientSession(timeout=ClientTimeout(total=timeout)) as session,
            session.post(
                f"{server.base_url}/{path}", json=body() | {"input": "hi", "prompt": "hi"}
            ) as response,
        ):
            return response.status, response.headers["content-type"], await response.read()

    return asyncio.run(run())


@pytest.mark.parametrize(("fault", "error", "code"), STATUSES, ids=[fault.kind for fault, _, _ in STATUSES])
def test_error_statuses_raise_the_clients_own_errors(
    fault: Fault, error: type[openai.APIStatusError], code: str | None
) -> None:
    with FakeOpenAI(faults=[fault]) as server:
        with pytest.raises(error) as found:
            ask(server)
        assert found.value.code == code
        assert found.value.request_id is not None
        assert ask(server)["choices"]
        assert [received.fault for received in server.requests] == [fault.kind, None]


def test_retry_after_is_sent() -> None:
    with FakeOpenAI(faults=[Fault.status(429, retry_after=1.5)]) as server:
        with pytest.raises(openai.RateLimitError) as found:
            ask(server)
        assert found.value.response.headers["retry-after"] == "1.5"


@pytest.mark.parametrize("kind", ["drop_before", "drop_in_body", "garbage_wire"])
def test_broken_connections_break_one_request_only(kind: str) -> None:
    with FakeOpenAI(faults=[Fault.named(kind)]) as server:
        with pytest.raises(ClientError):
            fetch(server)
        assert fetch(server)[0] == 200
        assert [(one.status, one.fault) for one in server.requests] == [(None, kind), (200, None)]


def test_drop_before_is_a_connection_error_for_the_official_client() -> None:
    with FakeOpenAI(faults=[Fault.drop_before()]) as server, pytest.raises(openai.APIConnectionError):
        ask(server)


@pytest.mark.parametrize(
    ("fault", "holds"),
    [
        (Fault.html_200(), lambda kind, data: kind == "text/html" and data.startswith(b"<!doctype")),
        (Fault.empty_200(), lambda _, data: data == b""),
        (Fault.error_200(), lambda _, data: list(json.loads(data)) == ["error"]),
        (Fault.choices_null(), lambda _, data: json.loads(data)["choices"] is None),
        (Fault.no_choices(), lambda _, data: json.loads(data)["choices"] == []),
        (Fault.missing_message(), lambda _, data: "message" not in json.loads(data)["choices"][0]),
        (
            Fault.wrong_content_type(),
            lambda kind, data: kind.startswith("text/plain") and json.loads(data)["id"],
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_broken_bodies_come_with_200(fault: Fault, holds: Callable[[str, bytes], bool]) -> None:
    with FakeOpenAI(faults=[fault]) as server:
        status, content_type, data = fetch(server)
        assert status == 200
        assert holds(content_type, data)


@pytest.mark.parametrize("fault", [Fault.truncated_json(), Fault.garbage_bytes(), Fault.invalid_utf8()])
def test_undecodable_bodies_are_whole_http(fault: Fault) -> None:
    with FakeOpenAI(faults=[fault]) as server:
        status, content_type, data = fetch(server)
        assert (status, content_type) == (200, "application/json")
        with pytest.raises(ValueError, match=r"char|decode"):
            json.loads(data)


@pytest.mark.parametrize(("path", "where"), [("responses", "output"), ("completions", "choices")])
def test_missing_parts_on_the_other_endpoints(path: str, where: str) -> None:
    with FakeOpenAI(faults=[Fault.choices_null(), Fault.no_choices(), Fault.missing_message()]) as server:
        assert json.loads(fetch(server, path)[2])[where] is None
        assert json.loads(fetch(server, path)[2])[where] == []
        assert not {"text", "content"} & set(json.loads(fetch(server, path)[2])[where][0])


def test_a_stall_meets_the_clients_timeout_and_leaves_nothing_in_flight() -> None:
    with FakeOpenAI(faults=[Fault.stall()]) as server:
        with pytest.raises(TimeoutError):
            fetch(server, timeout=0.02)
        server.wait(received=1, in_flight=0)
        assert server.requests[0].status is None


def test_a_slow_body_arrives_whole() -> None:
    with FakeOpenAI("ok", faults=[Fault.slow_body(0.02)]) as server:
        assert json.loads(fetch(server)[2])["choices"]
        record = server.requests[0]
        assert record.ended is not None
        assert record.ended - record.started >= 0.02


def occasion(index: int, attempt: int, key: str) -> Occasion:
    return Occasion(index, attempt, "/v1/chat/completions", body(key), key)


def seeded(seed: int, order: list[int], attempts: int = 1) -> dict[tuple[int, int], str | None]:
    plan = FaultPlan.seeded(seed, 0.3, ["429", "drop_before", "stall:0.1"])
    found = {}
    for attempt in range(1, attempts + 1):
        for index, sample in enumerate(order):
            fault = plan.fault(index, "/v1/chat/completions", body(str(sample)), str(sample))
            found[sample, attempt] = fault.kind if fault else None
    return found


def test_a_seeded_plan_does_not_depend_on_the_order() -> None:
    forward = seeded(7, list(range(400)))
    assert forward == seeded(7, list(reversed(range(400))))
    assert forward != seeded(8, list(range(400)))
    failed = [kind for kind in forward.values() if kind]
    assert 90 <= len(failed) <= 150
    assert set(failed) == {"429", "drop_before", "stall"}


def test_a_seeded_plan_spares_later_attempts() -> None:
    assert not any(kind for (_, attempt), kind in seeded(7, list(range(50)), 2).items() if attempt == 2)


def test_plans_match_combine_and_keep_to_a_path() -> None:
    one, other = Fault.status(500), Fault.status(503)
    plan = FaultPlan.matching("sample-7", one, None, one) | FaultPlan.attempts(other).on("/v1/responses")
    seven = [plan.fault(0, "/v1/chat/completions", body("sample-7"), "7") for _ in range(4)]
    assert seven == [one, None, one, None]
    assert plan.fault(0, "/v1/chat/completions", body("sample-8"), "8") is None
    assert plan.fault(0, "/v1/responses", body("sample-8"), "8b") == other
    forever = FaultPlan.matching("x", one, other, always=True)
    assert [forever.fault(0, "/", body("x"), "x") for _ in range(3)] == [one, other, other]


def test_a_function_of_index_and_attempt_is_a_plan() -> None:
    with FakeOpenAI(faults=lambda index, attempt: Fault.status(500) if attempt < 3 else None) as server:
        for _ in range(2):
            with pytest.raises(openai.InternalServerError):
                ask(server)
        assert ask(server)["choices"]


def test_unknown_fault_names_list_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no fault is called 'drop'.*drop_before"):
        Fault.named("drop")
