"""Whole runs through every endpoint, by the commands that a user types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from commands import Commands, asking, write_lines
from fake_openai import FakeOpenAI, Fault, FaultPlan, Reply

KEY = "planted-key-8f2b61c09d4e7a35"
ROWS = [{"question": f"question {n}", "answer": "Lima" if n % 4 else "Quito"} for n in range(8)]
DATA = (
    *("dataset=jsonl", "dataset.path=rows.jsonl", "dataset.input.question=question", "dataset.target=answer"),
    *("task=qa", "metrics=[exact_match]", "resamples=10"),
)
ENDPOINTS = {"chat": "/v1/chat/completions", "completions": "/v1/completions", "responses": "/v1/responses"}
STREAMED = "model.stream=true"
BARE = ("prompt.system=null", "prompt.messages=[]")


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_OPENAI_AD_TOKEN", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(evalkit: Commands, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Eight questions of which the answer Lima is right for six."""
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    write_lines(evalkit.folder / "rows.jsonl", *ROWS)
    return evalkit


def run(project: Commands, server: FakeOpenAI, *words: str) -> dict[str, Any]:
    ran = project(*asking(server, *DATA, *words))
    assert ran.code == 0, ran.err
    return project.report()


def test_embedded_model_refuses_the_endpoint_that_its_server_has_by_half(project: Commands) -> None:
    assert "set model.endpoint=chat" in project("run", "model=local", "model.endpoint=responses").error


@pytest.mark.parametrize("stream", [(), (STREAMED,)])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_run_scores_the_known_answers_through_each_endpoint(
    endpoint: str, stream: tuple[str, ...], project: Commands, server: FakeOpenAI
) -> None:
    server.settings.answer = lambda body: json.dumps({"answer": "Lima"}) if _schema(body) else "Lima"
    report = run(project, server, f"model.endpoint={endpoint}", *stream)
    assert {one.path for one in server.requests} == {ENDPOINTS[endpoint]}
    assert report["metrics"]["exact_match"]["value"] == 0.75
    assert report["usage"]["prompt"] > 0
    assert report["usage"]["completion"] > 0
    lines = project.samples()
    assert [one["finish_reason"] for one in lines] == ["stop"] * 8
    assert ["time_to_first_token" in one for one in lines] == [bool(stream)] * 8
    assert ("time_to_first_token_p95" in report["timing"]) is bool(stream)


def _schema(body: dict[str, Any]) -> bool:
    return bool(body.get("response_format") or body.get("text"))


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_answer_schema_goes_where_the_endpoint_takes_one(
    endpoint: str, project: Commands, server: FakeOpenAI
) -> None:
    server.settings.answer = "positive"
    schema = "prompt.answer_schema={type: object, properties: {answer: {type: string}}}"
    run(project, server, f"model.endpoint={endpoint}", schema)
    body = server.requests[0].body
    wanted = {"chat": body.get("response_format"), "responses": (body.get("text") or {}).get("format")}
    for name, found in wanted.items():
        assert (found is not None) is (name == endpoint)


def test_classic_completion_call_is_sent_to_the_letter(project: Commands, server: FakeOpenAI) -> None:
    server.settings.answer = "Lima"
    run(
        project, server, "model.endpoint=completions", *BARE, "prompt.answer_schema=null",
        "prompt.template='Q: {{ question }}\\nA:'", "model.params.max_tokens=16", 'model.params.stop=["\\n"]',
        "model.params.suffix=END", "model.params.logprobs=2", "model.params.n=2", "model.params.best_of=3",
        "dataset.limit=1",
    )  # fmt: skip
    [received] = server.requests
    prompt = received.body.pop("prompt")
    assert prompt.replace("\\n", "\n") == "Q: question 0\nA:"
    assert received.body == {
        "model": "gpt-4o", "temperature": 0.0, "max_tokens": 16, "stop": ["\n"], "suffix": "END",
        "logprobs": 2, "n": 2, "best_of": 3,
    }  # fmt: skip
    lines = project.samples()
    assert [line["trial"] for line in lines] == [0, 1]
    assert lines[0]["logprobs"]["content"][0]["token"] == "Lima"
    assert len(lines[0]["logprobs"]["content"][0]["top_logprobs"]) == 2


def test_echo_keeps_the_prompt_in_front_with_its_log_probabilities(
    project: Commands, server: FakeOpenAI
) -> None:
    run(
        project, server, "model.endpoint=completions", *BARE, "prompt.template='{{ question }}'",
        "model.params.echo=true", "model.params.max_tokens=0", "model.params.logprobs=0", "dataset.limit=1",
    )  # fmt: skip
    [line] = project.samples()
    assert line["output"] == "question 0"
    assert [one["token"] for one in line["logprobs"]["content"]] == ["question", " 0"]
    assert line["logprobs"]["content"][0]["logprob"] is None


def test_responses_parameters_arrive_as_the_endpoint_has_them(project: Commands, server: FakeOpenAI) -> None:
    server.settings.answer = "Lima"
    words = [word.replace("model=openai", "model=gpt-5") for word in asking(server, *DATA, name="gpt-5")]
    more = ("model.params.max_tokens=99", "model.params.reasoning_effort=low", "model.params.verbosity=low")
    ran = project(*words, "model.endpoint=responses", "prompt.answer_schema=null", *more)
    assert ran.code == 0, ran.err
    body = server.requests[0].body
    assert body["max_output_tokens"] == 99
    assert (body["reasoning"], body["text"], body["store"]) == (
        {"effort": "low"},
        {"verbosity": "low"},
        False,
    )
    assert "messages" not in body
    assert project.report()["model"]["params"]["max_output_tokens"] == 99


def test_limit_is_sent_by_the_name_that_a_reasoning_model_takes(
    project: Commands, server: FakeOpenAI
) -> None:
    server.settings.answer = "Lima"
    words = [word.replace("model=openai", "model=gpt-5") for word in asking(server, *DATA, name="gpt-5")]
    assert project(*words, "model.params.max_tokens=99").code == 0
    assert server.requests[0].body["max_completion_tokens"] == 99
    assert "max_tokens" not in server.requests[0].body


@pytest.mark.parametrize("version", [(), ("model.api_version=2025-04-01-preview",)])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_azure_is_asked_at_each_endpoints_address(
    endpoint: str, version: tuple[str, ...], project: Commands, server: FakeOpenAI
) -> None:
    server.settings.answer = "Lima"
    root = server.base_url.removesuffix("/v1")
    words = ("run", "model=azure", f"model.base_url={root}", "model.name=dep", f"model.endpoint={endpoint}")
    ran = project(*words, *DATA, "prompt.answer_schema=null", *version)
    assert ran.code == 0, ran.err
    dated = "/openai/responses" if endpoint == "responses" else "/openai/deployments/dep"
    path = ENDPOINTS[endpoint].removeprefix("/v1")
    expected = f"/openai/v1{path}" if not version else dated + path.removeprefix("/responses")
    assert {one.path for one in server.requests} == {expected}
    assert project.report()["metrics"]["exact_match"]["value"] == 0.75


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_streamed_and_whole_answers_share_the_cache(
    endpoint: str, project: Commands, server: FakeOpenAI
) -> None:
    server.settings.answer = "Lima"
    words = (f"model.endpoint={endpoint}", "prompt.answer_schema=null")
    run(project, server, *words, STREAMED)
    first = project.samples()
    report = run(project, server, *words)
    assert server.count == 8
    assert all(one["cached"] for one in project.samples())
    kept = [one["time_to_first_token"] for one in project.samples()]
    assert kept == [one["time_to_first_token"] for one in first]
    assert report["timing"]["time_to_first_token_p50"] > 0
    assert project("verify", "latest").code == 0
    assert project("cache", "verify").code == 0


def test_answer_that_was_not_streamed_tells_no_time_to_its_first_token(
    project: Commands, server: FakeOpenAI
) -> None:
    server.settings.answer = "Lima"
    run(project, server, "prompt.answer_schema=null")
    report = run(project, server, "prompt.answer_schema=null", STREAMED)
    assert server.count == 8
    assert "time_to_first_token_p50" not in report["timing"]


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [("chat", "stream_cut"), ("completions", "stream_error"), ("responses", "drop_in_body")],
)
def test_stream_that_breaks_off_is_asked_again(
    endpoint: str, kind: str, project: Commands, server: FakeOpenAI
) -> None:
    server.settings.answer = "Lima"
    server.settings.faults = FaultPlan.matching("question 3", Fault(kind))
    report = run(project, server, f"model.endpoint={endpoint}", "prompt.answer_schema=null", STREAMED)
    assert server.count == 9
    assert report["metrics"]["exact_match"]["value"] == 0.75


def test_failed_answers_are_failures_and_never_scored(project: Commands, server: FakeOpenAI) -> None:
    failed: dict[str, Any] = {"object": "response", "status": "failed", "output": []}
    failed["error"] = {"code": "invalid_prompt", "message": "No."}
    bad = Reply(raw_body=json.dumps(failed).encode())
    server.settings.answer = lambda body: bad if "question 3" in json.dumps(body) else "Lima"
    words = ("model.endpoint=responses", "prompt.answer_schema=null", "max_failed=0.5")
    ran = project(*asking(server, *DATA, *words))
    assert ran.code == 0, ran.err
    assert [one["failure"]["kind"] for one in project.samples() if "failure" in one] == ["bad_request"]
    assert project.report()["metrics"]["exact_match"]["value"] == pytest.approx(5 / 7)


@pytest.mark.parametrize("endpoint", ["completions", "responses"])
def test_budget_and_plan_count_the_endpoints_prompt(
    endpoint: str, project: Commands, server: FakeOpenAI
) -> None:
    """The worst case is no less than what the server counted, and the limit is found by its name."""
    server.settings.answer = "Lima"
    words = (f"model.endpoint={endpoint}", "prompt.answer_schema=null", "model.params.max_tokens=7")
    ran = project("plan", *asking(server, *DATA, *words)[1:], "--json")
    assert ran.code == 0, ran.err
    [planned] = json.loads(ran.out)["plans"]
    used = run(project, server, *words)["usage"]
    assert planned["usage"]["completion_most"] == 7 * 8
    assert planned["usage"]["prompt_most"] >= planned["usage"]["prompt"] >= used["prompt"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["model.endpoint=response"], '(did you mean "responses"?): there is chat, completions, responses'),
        (
            ["model.params.suffix=x"],
            "model.params.suffix=x: the chat endpoint does not know it; add model.end",
        ),
        (
            ["model.endpoint=responses", "model.params.presence_penalty=1"],
            "presence_penalty=1.0: the responses",
        ),
        (["model.endpoint=responses", "model.params.n=2"], "set trials instead"),
        (["model.endpoint=completions", "model.params.logprobs=true"], "takes a number, like logprobs=1"),
        (["model.params.logprobs=2"], "the chat endpoint takes true, with top_logprobs=N"),
        (["model.endpoint=completions", STREAMED, "model.params.best_of=2"], "set model.stream=false"),
        (["model.extra={instructions: x}"], "evalkit sets instructions itself"),
    ],
)
def test_what_cannot_be_meant_is_one_line_before_anything_is_sent(
    words: list[str], says: str, project: Commands, server: FakeOpenAI
) -> None:
    assert says in project(*asking(server, *DATA, *words)).error
    assert server.count == 0
