"""Every model config runs against a server; parameters and prices are checked before it is asked."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from commands import Commands, write
from fake_openai import FakeOpenAI, Reply

from evalkit.config.compose import load
from evalkit.config.model import build_model
from evalkit.search_path import shipped

KEY = "planted-key-8f2b61c09d4e7a35"
NAMES = sorted(path.stem for path in (shipped("configs") / "model").glob("*.yaml"))
# Those that ask a server which a test can stand in for.
SERVED = [name for name in NAMES if name not in {"local", "local-large", "recorded"}]
NAMELESS = {"azure", "gateway", "lmstudio", "ollama", "openrouter", "vllm"}
REASONING = [name for name in SERVED if name[0] == "o" and name[1].isdigit()]
REASONING += [name for name in SERVED if name.startswith("gpt-5")]
FEW = ("dataset.limit=2", "resamples=10")


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "OPENROUTER_API_KEY", "GATEWAY_API_KEY"):
        monkeypatch.setenv(name, KEY)
    for name in ("EVALKIT_PRICES", "AZURE_OPENAI_AD_TOKEN", "AZURE_OPENAI_ENDPOINT", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def words(name: str, server: FakeOpenAI, *more: str) -> list[str]:
    address = server.base_url.removesuffix("/v1") if name == "azure" else server.base_url
    called = ["model.name=some-model"] if name in NAMELESS else []
    return ["run", f"model={name}", f"model.base_url={address}", *called, *FEW, *more]


@pytest.mark.parametrize("name", SERVED)
def test_config_runs_against_a_server(name: str, evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit(*words(name, server))
    assert ran.code == 0, ran.err
    assert server.count == 2
    body = server.requests[0].body
    assert body["model"] == evalkit.report()["model"]["asked"]
    assert body.get("temperature") == (None if name in REASONING else 0.0)
    assert KEY not in json.dumps(evalkit.report())


@pytest.mark.parametrize(
    ("name", "address", "key"),
    [
        ("vllm", "http://127.0.0.1:8000/v1", "VLLM_API_KEY"),
        ("ollama", "http://127.0.0.1:11434/v1", "OLLAMA_API_KEY"),
        ("llamacpp", "http://127.0.0.1:8080/v1", "LLAMA_API_KEY"),
        ("lmstudio", "http://127.0.0.1:1234/v1", "LM_API_TOKEN"),
        ("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    ],
)
def test_server_is_looked_for_at_its_usual_address(name: str, address: str, key: str) -> None:
    config = load([f"model={name}", "model.name=m"])
    assert build_model(config).identity == address
    assert config.model.api_key_env == key


def test_server_with_a_key_is_given_it(evalkit: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", KEY)
    with FakeOpenAI(api_key=KEY) as server:
        assert evalkit(*words("vllm", server)).code == 0


def test_gateway_models_are_a_sweep_axis(evalkit: Commands, server: FakeOpenAI) -> None:
    run, *rest = [word for word in words("gateway", server) if not word.startswith("model.name")]
    ran = evalkit(run, "-m", *rest, "model.name=a/one,b/two")
    assert ran.code == 0, ran.err
    assert {request.body["model"] for request in server.requests} == {"a/one", "b/two"}
    assert "response_format" not in server.requests[0].body


def test_openrouter_asks_only_hosts_that_know_every_parameter(evalkit: Commands, server: FakeOpenAI) -> None:
    assert evalkit(*words("openrouter", server)).code == 0
    assert server.requests[0].body["provider"] == {"require_parameters": True}


@pytest.mark.parametrize(("name", "missing"), [("gateway", "model.base_url"), ("vllm", "model.name")])
def test_what_has_to_be_set_is_named(name: str, missing: str, evalkit: Commands) -> None:
    called = ["model.name=m"] if missing == "model.base_url" else []
    assert f"{missing} is missing; set it to" in evalkit("run", f"model={name}", *called).error


def test_nothing_listening_is_told_once_with_what_to_start(evalkit: Commands) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: connections are refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        ran = evalkit("run", "model=ollama", "model.name=m", f"model.base_url={address}", *FEW)
    assert ran.code == 5
    assert f"nothing listens at {address}; start the server: ollama serve" in ran.err


def test_azure_deployment_is_asked_at_its_address(evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit(*words("azure", server, "model.api_version=2024-10-21"))
    assert ran.code == 0, ran.err
    received = server.requests[0]
    assert (received.path, received.query) == (
        "/openai/deployments/some-model/chat/completions",
        "api-version=2024-10-21",
    )
    assert received.headers["api-key"] == KEY


def test_azures_settings_are_refused_elsewhere(evalkit: Commands) -> None:
    assert "belongs to Azure: add model=azure" in evalkit("run", "model=gpt-4o", "model.api_version=1").error


# ------------------------------------------------------------------------------------------ parameters


@pytest.mark.parametrize("name", REASONING)
@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("model.params.temperature=0", "model.params.temperature=0.0"),
        ("model.params.top_p=0.5", "model.params.top_p=0.5"),
        ("model.params.logit_bias={50256: -100}", "model.params.logit_bias="),
        ("model.params.presence_penalty=1", "model.params.presence_penalty=1.0"),
        ("model.params.echo=true", "the chat endpoint does not know it"),
        ("model.params.reasoning_effort=extreme", "takes "),
    ],
)
def test_reasoning_model_refuses_by_name_before_sending(
    name: str, word: str, says: str, evalkit: Commands, server: FakeOpenAI
) -> None:
    assert says in evalkit(*words(name, server, word)).error
    assert server.count == 0


@pytest.mark.parametrize(
    ("name", "efforts"),
    [
        ("o1", "low medium high"),
        ("o3", "low medium high"),
        ("o4-mini", "low medium high"),
        ("gpt-5", "minimal low medium high"),
        ("gpt-5.1", "none low medium high"),
        ("gpt-5.4", "none low medium high xhigh"),
    ],
)
def test_reasoning_effort_has_the_values_of_each_model(name: str, efforts: str) -> None:
    allowed = efforts.split()
    for effort in ("none", "minimal", "low", "medium", "high", "xhigh"):
        config = load([f"model={name}", f"model.params.reasoning_effort={effort}"])
        if effort in allowed:
            assert build_model(config).settings == {"reasoning_effort": effort}
        else:
            with pytest.raises(Exception, match=f"{name} takes {', '.join(allowed)};"):
                build_model(config)


def test_newer_reasoning_models_take_a_temperature_where_they_do_not_reason() -> None:
    overrides = ["model=gpt-5.4", "model.params.reasoning_effort=none", "model.params.temperature=0"]
    assert build_model(load(overrides)).settings == {"reasoning_effort": "none", "temperature": 0.0}


@pytest.mark.parametrize("name", ["gpt-4", "gpt-4-turbo", "gpt-4o", "gpt-4.1", "local"])
def test_other_models_refuse_reasoning_effort(name: str, evalkit: Commands) -> None:
    error = evalkit("run", f"model={name}", "model.params.reasoning_effort=low").error
    assert "model.params.reasoning_effort=low" in error
    assert "does not take it" in error


def test_declaration_can_be_lifted_when_the_api_has_changed(evalkit: Commands, server: FakeOpenAI) -> None:
    more = ("model.accepts=null", "model.params.temperature=0.5")
    assert evalkit(*words("gpt-5", server, *more)).code == 0
    assert server.requests[0].body["temperature"] == 0.5


def test_one_rule_can_be_changed(evalkit: Commands, server: FakeOpenAI) -> None:
    more = ("++model.accepts.temperature=true", "model.params.temperature=0.5")
    assert evalkit(*words("gpt-5", server, *more)).code == 0
    assert "does not take it" in evalkit(*words("gpt-5", server, *more, "model.params.top_p=0.5")).error


def test_any_parameter_goes_to_a_model_that_nothing_is_known_of(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    ran = evalkit(*words("openai", server, "model.name=gpt-99", "model.params.reasoning_effort=vast"))
    assert ran.code == 0, ran.err
    assert server.requests[0].body["reasoning_effort"] == "vast"


def test_longest_answer_is_known(evalkit: Commands) -> None:
    error = evalkit("run", "model=gpt-4o", "model.params.max_tokens=20000").error
    assert "gpt-4o writes at most 16,384 tokens" in error


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("model.accepts=5", "model.accepts must map"),
        ("model.accepts={seed: maybe}", "model.accepts.seed: true, false, a list"),
        ("model.context=0", "model.context=0: tokens, at least 1"),
        ("model.token_env=sk-1234", "model.token_env must be the name of an environment variable"),
    ],
)
def test_declaration_that_cannot_be_meant_is_refused(word: str, says: str, evalkit: Commands) -> None:
    name = "azure" if "token" in word else "openai"
    assert says in evalkit("run", f"model={name}", "model.name=m", word).error


# ---------------------------------------------------------------------------------------------- prices


def test_price_list_wins_and_the_report_says_so(evalkit: Commands, tmp_path: Path) -> None:
    """1,000,000 prompt and 500,000 completion tokens at 3 and 8 dollars a million: 3 + 4 = 7."""
    listed = write(tmp_path / "my.yaml", "gpt-4o: {input: 3, output: 8, recorded: 2026-11-22}\n")
    answer = Reply("positive", usage={"prompt_tokens": 500_000, "completion_tokens": 250_000})
    with FakeOpenAI(answer=answer) as server:
        ran = evalkit(*words("gpt-4o", server, f"model.prices_file={listed}"))
    assert ran.code == 0, ran.err
    cost = evalkit.report()["cost"]
    assert cost["usd"] == pytest.approx(7.0)
    assert (cost["prices"]["input"], cost["prices"]["recorded"]) == (3.0, "2026-11-22")
    assert cost["prices"]["source"] == str(listed)
    assert "prices of 2026-11-22" in (evalkit.last_run() / "report.md").read_text("utf-8")


def prices_of(*overrides: str) -> Any:
    return build_model(load(overrides)).prices


def test_price_list_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = write(tmp_path / "my.yaml", "my-model: {input: 3, output: 8, recorded: 2026-11-22}\n")
    monkeypatch.setenv("EVALKIT_PRICES", str(listed))
    assert prices_of("model=openai", "model.name=my-model").output == 8.0
    assert prices_of("model=openai", "model.name=my-model-2026-01-31").output == 8.0
    assert prices_of("model=openai", "model.name=my-model-mini") is None
    assert prices_of("model=gpt-4o").output == 10.0


def test_prices_belong_to_the_model_that_they_were_recorded_for() -> None:
    assert prices_of("model=gpt-4o", "model.name=gpt-4o-2024-08-06").input == 2.5
    assert prices_of("model=gpt-4o", "model.name=gpt-4o-mini") is None
    assert prices_of("model=gpt-4o", "model.name=ft:gpt-4o:me::1") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gpt-4o: {input: -3, output: 8, recorded: 2026-11-22}", "gpt-4o.input=-3.0: US dollars per million"),
        ("gpt-4o: {input: dear, output: 8, recorded: 2026-11-22}", "gpt-4o.input='dear': must be a number"),
        ("gpt-4o: {input: .nan, output: 8, recorded: 2026-11-22}", "gpt-4o.input=nan"),
        ("gpt-4o: {input: 3, recorded: 2026-11-22}", "gpt-4o: output is missing"),
        ("gpt-4o: {input: 3, output: 8}", "gpt-4o: recorded is missing"),
        ("gpt-4o: {input: 3, output: 8, recorded: today}", "recorded=today: the day of the prices"),
        ("gpt-4o: {inptu: 3}", 'gpt-4o.inptu: unknown (did you mean "input"?)'),
        ("gpt-4o: 3", "gpt-4o: must be a mapping"),
        ("- 3", "must map model names to prices"),
        ("a: [", "line 2: is no YAML"),
        (
            "o: {input: 1, output: 1, batch_discount: 50, recorded: 2026-11-22}",
            "batch_discount=50.0: a share",
        ),
    ],
)
def test_wrong_price_list_is_named(text: str, says: str, evalkit: Commands, tmp_path: Path) -> None:
    listed = write(tmp_path / "my.yaml", f"{text}\n")
    error = evalkit("run", "model=gpt-4o", f"model.prices_file={listed}").error
    assert str(listed) in error
    assert says in error


def test_missing_price_list_is_named(evalkit: Commands) -> None:
    assert (
        "model.prices_file=none.yaml: cannot be read" in evalkit("run", "model.prices_file=none.yaml").error
    )


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("model.prices.input=-1", "model.prices.input=-1.0: US dollars per million tokens, 0 or more"),
        ("model.prices.input=nan", "model.prices.input=nan"),
        ("model.prices.input=cheap", "model.prices.input=cheap"),
        ("model.prices.batch_discount=2", "model.prices.batch_discount=2.0: a share"),
    ],
)
def test_price_that_cannot_be_meant_is_refused(word: str, says: str, evalkit: Commands) -> None:
    assert says in evalkit("run", "model=gpt-4o", word).error


@pytest.mark.parametrize("name", [name for name in SERVED if name.startswith(("gpt-", "o1", "o3", "o4"))])
def test_openai_model_says_what_it_costs_and_how_much_it_holds(name: str) -> None:
    config = load([f"model={name}"]).model
    assert config.prices.model == config.name == name
    assert config.context is not None
    assert config.max_output is not None
    assert config.max_output <= config.context
    assert config.prices.batch_discount == 0.5
