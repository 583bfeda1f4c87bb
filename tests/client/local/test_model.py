"""The real model behind the real server: answers, determinism, and ends of all kinds."""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.error
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from evalkit.client.local.artifact import locate
from evalkit.client.local.pins import LocalModel
from evalkit.client.local.process import Address, LocalServer, identity
from evalkit.errors import ModelError

pytestmark = pytest.mark.model

Ask = Callable[..., dict[str, Any]]
PROMPT = [{"role": "user", "content": "Name three animals that live in the forest."}]
GREEDY: dict[str, Any] = {"messages": PROMPT, "temperature": 0}
SAMPLED: dict[str, Any] = {"messages": PROMPT, "temperature": 1, "seed": 7, "logprobs": True}
posix = pytest.mark.skipif(os.name != "posix", reason="signals")


def stable(body: dict[str, Any]) -> str:
    """The body without what may differ: its id, the date, how long it took."""
    return json.dumps(
        {k: v for k, v in body.items() if k not in {"id", "created", "timings"}}, sort_keys=True
    )


def connect(base_url: str) -> socket.socket:
    port = urlsplit(base_url).port
    assert port is not None
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def wait_for_end(connection: socket.socket) -> None:
    """Block until the process at the other end is gone."""
    with suppress(ConnectionResetError):
        assert connection.recv(1) == b""


def test_file_is_found_without_being_fetched_again(smollm2: LocalModel) -> None:
    path = locate(smollm2)
    assert path is not None
    assert path.stat().st_size == smollm2.size


def test_answer_has_text_usage_and_the_models_name(ask: Ask) -> None:
    body = ask(GREEDY)
    assert body["object"] == "chat.completion"
    assert body["model"] == "smollm2-135m"
    assert body["choices"][0]["message"]["content"].strip()
    assert body["usage"]["completion_tokens"] == 12
    assert body["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


def test_defaults_are_those_of_openai(ask: Ask) -> None:
    """No temperature is temperature 1 with nothing cut off, not llama.cpp's 0.8, 40, 0.95 and 0.05."""
    asked = {"messages": PROMPT, "seed": 7}
    spelled = {"temperature": 1, "top_p": 1, "top_k": 0, "min_p": 0}
    assert stable(ask(asked)) == stable(ask({**asked, **spelled}))


@pytest.mark.parametrize("body", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_same_request_gives_the_same_body(ask: Ask, smollm2: LocalModel, body: dict[str, Any]) -> None:
    """Repeated, after another prompt, queued behind others, and from another process."""
    first = stable(ask(body))
    other = {**body, "messages": [{"role": "user", "content": "Name three forests."}]}
    assert stable(ask(other)) != first
    assert stable(ask(body)) == first
    with ThreadPoolExecutor(4) as clients:
        queued = list(clients.map(lambda turn: stable(ask(other if turn % 2 else body)), range(8)))
    assert set(queued[::2]) == {first}
    assert len(set(queued[1::2])) == 1
    with LocalServer(smollm2) as again:
        assert stable(ask(body, again.start())) == first


def test_other_seed_gives_another_text(ask: Ask) -> None:
    assert stable(ask(SAMPLED)) != stable(ask({**SAMPLED, "seed": 8}))


def test_json_schema_is_enforced(ask: Ask) -> None:
    labels = ["positive", "negative"]
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": labels}},
        "required": ["label"],
        "additionalProperties": False,
    }
    review = "Review: I loved every minute of it. What is its sentiment?"
    form = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    asked = {"messages": [{"role": "user", "content": review}], "temperature": 0, "response_format": form}
    body = ask({**asked, "max_tokens": 24})
    answer = json.loads(body["choices"][0]["message"]["content"])
    assert list(answer) == ["label"]
    assert answer["label"] in labels


def test_too_long_a_prompt_is_refused(ask: Ask) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask({"messages": [{"role": "user", "content": "word " * 5000}]})
    with caught.value as answer:
        assert answer.code == 400
        assert json.load(answer)["error"]["type"] == "exceed_context_size_error"


def test_other_key_is_refused(ask: Ask, server: LocalServer) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(GREEDY, Address(server.start().base_url, "guessed"))
    with caught.value as answer:
        assert answer.code == 401


def test_connections_kept_open_do_not_lock_others_out(ask: Ask, server: LocalServer) -> None:
    base_url = server.start().base_url
    with ExitStack() as idle:
        for _ in range(32):
            idle.enter_context(closing(connect(base_url)))
        assert ask(GREEDY)["choices"]


def test_nothing_reaches_the_terminal(
    smollm2: LocalModel, ask: Ask, capfd: pytest.CaptureFixture[str]
) -> None:
    with LocalServer(smollm2) as own:
        ask(GREEDY, own.start())
    assert capfd.readouterr() == ("", "")


def test_file_that_is_no_model_is_an_error_with_the_librarys_words(
    smollm2: LocalModel, tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF, or so it says")
    own = LocalServer(smollm2, find=lambda *_: path)
    with pytest.raises(ModelError, match=r"did not start: exit code 1; the end of its log:\n(.*\n)*.*gguf"):
        own.start()


def test_variables_that_steer_the_library_do_not_reach_it(
    smollm2: LocalModel, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_ATTN_ROT_DISABLE", "1")
    monkeypatch.setenv("GGML_NO_BACKTRACE", "0")
    with LocalServer(smollm2) as own:
        environment = Path(f"/proc/{own.pid}/environ")
        if not environment.exists():
            pytest.skip("no /proc")
        names = {line.split(b"=")[0] for line in environment.read_bytes().split(b"\0")}
    assert b"PATH" in names
    assert not {name for name in names if name.startswith((b"LLAMA_", b"GGML_"))}


@posix
def test_ctrl_c_leaves_the_end_to_the_parent(ask: Ask, server: LocalServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGINT)
    assert ask(GREEDY)["choices"]
    assert server.alive


@posix
def test_stop_does_not_wait_for_the_answer_being_generated(smollm2: LocalModel, ask: Ask) -> None:
    with LocalServer(smollm2) as own, ThreadPoolExecutor(1) as client:
        address = own.start()
        with closing(connect(address.base_url)) as connection:
            waiting = client.submit(
                ask, {"messages": PROMPT, "max_tokens": 3000, "ignore_eos": True}, address
            )
            own.stop()
            wait_for_end(connection)
            with pytest.raises(OSError):  # noqa: PT011 - refused, reset or cut off, as it falls
                waiting.result()
    assert own.failure() is None


@posix
@pytest.mark.parametrize("forked", [False, True], ids=["alone", "with a forked worker that lives on"])
def test_kill_9_of_the_parent_ends_the_server(smollm2: LocalModel, forked: bool) -> None:  # noqa: FBT001
    code = """
        import os, sys
        from evalkit.client.local.pins import model
        from evalkit.client.local.process import LocalServer
        print(LocalServer(model("smollm2-135m")).start().base_url, flush=True)
        if sys.argv[1] == "True":
            os.fork()
        sys.stdin.read()
        """
    command = [sys.executable, "-c", textwrap.dedent(code), str(forked)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        with closing(connect(parent.stdout.readline().decode().strip())) as connection:
            parent.kill()
            wait_for_end(connection)


@posix
def test_killed_server_is_noticed(smollm2: LocalModel) -> None:
    own = LocalServer(smollm2)
    with closing(connect(own.start().base_url)) as connection:
        assert own.pid is not None
        os.kill(own.pid, signal.SIGKILL)
        wait_for_end(connection)
    assert own._child is not None
    own._child._process.wait(30)
    assert not own.alive
    assert "killed by SIGKILL" in (own.failure() or "")
    own.stop()


def test_identity_has_the_installed_version(smollm2: LocalModel) -> None:
    assert f":xllamacpp-{importlib.metadata.version('xllamacpp')}:" in identity(smollm2)
