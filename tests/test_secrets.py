"""Keys planted wherever one may stand, every command run, every byte searched that was written anywhere."""

from __future__ import annotations

import base64
import gzip
import io
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
import zstandard
from commands import Commands, Ran, asking, evalkit, write
from fake_openai import FakeOpenAI, Fault, FaultPlan, Reply
from faulty_runs import lasting, sample_of, samples

from evalkit.client.redaction import HIDDEN

__all__ = ["evalkit"]

# None of these is or was anybody's. One with the characters that JSON, URLs and HTML may spell otherwise.
KEY = "sk-planted-8f2b61c0/9d4e7a35+Qz7Lw2=="
OTHER = "sk-proj-elsewhere-51d8aa07c3e94b62"
PASSWORD = "planted-password-77c1e05d"
QUERY = "planted-query-4be902f6"
PASTED = "sk-pasted-into-settings-0a6d3f98"
NAMELESS = "planted-without-a-prefix-31fe7d"
VARIABLE = "MY_GATEWAY"

# What a server may do with a key that it was sent.
ECHO = f"Authorization: Bearer {KEY}"
IN_ANSWERS: dict[str, Reply] = {
    "text": Reply(f"You sent {ECHO}"),
    "refusal": Reply(None, refusal=f"I will not repeat {KEY}"),
    "cut": Reply(f"yes {KEY}", finish_reason="length"),
    "served": Reply("yes", model=KEY, system_fingerprint=KEY),
    "headers": Reply("yes", headers={"x-echo": ECHO, "x-ratelimit-limit-requests": KEY, "x-request-id": KEY}),
    "page": Reply(raw_body=f"<html>{ECHO}</html>".encode()),
    "torn": Reply(raw_body=f'{{"choices": "{ECHO}'.encode()),
    "error object": Reply(raw_body=orjson.dumps({"error": {"message": ECHO}})),
    "escaped slashes": Reply(raw_body=b'{"error": "%s"}' % KEY.replace("/", "\\/").encode()),
    "escaped signs": Reply(raw_body=b'{"error": "%s"}' % KEY.replace("+", "\\u002b").encode()),
    "url": Reply(raw_body=f"<a href='/?key={quote(KEY, safe='')}'>".encode()),
}
FILTER = {"code": "content_filter", "innererror": {"content_filter_result": {KEY: {"filtered": True}}}}
IN_ERRORS: dict[str, Fault] = {
    "400": Fault.status(400, message=ECHO, code=KEY, kind=KEY),
    "422": Fault.status(422, message="x" * 280 + ECHO),
    "429": Fault.status(429, message=ECHO, headers={"retry-after": KEY, "x-ratelimit-limit-tokens": KEY}),
    "500": Fault.status(500, message=ECHO, headers={"x-echo": ECHO}),
}


def answer(body: dict[str, Any]) -> Reply:
    name = sample_of(body)
    if name == "filter":
        return Reply(raw_body=orjson.dumps({"error": FILTER}), status=400)
    return IN_ANSWERS.get(name, Reply("yes"))


def forms(secret: str) -> list[bytes]:
    """The spellings that count as the secret, and both ends of it: a text may be cut."""
    found = {secret, quote(secret, safe=""), secret.replace("/", "\\/"), secret.replace("+", "\\u002b")}
    found |= {secret[:16], secret[-14:], base64.b64encode(secret.encode()).decode()}
    found.add(base64.b64encode(f"me:{secret}".encode()).decode())
    return [form.encode() for form in found]


FORMS = [form for secret in (KEY, OTHER, PASSWORD, QUERY, PASTED, NAMELESS) for form in forms(secret)]


def texts(path: Path) -> Iterator[bytes]:
    """All that a file holds: its bytes, and what is packed in them."""
    raw = path.read_bytes()
    yield raw
    if raw[:2] == b"\x1f\x8b":
        yield gzip.decompress(raw)
    if raw.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(path)) as file:
            for (table,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                for row in file.execute(f'SELECT * FROM "{table}"'):
                    yield from (unpacked(cell) for cell in row if cell is not None)


ZSTD = b"\x28\xb5\x2f\xfd"


def unpacked(cell: Any) -> bytes:
    if isinstance(cell, bytes) and cell.startswith(ZSTD):
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(cell)).read()
    return cell if isinstance(cell, bytes) else str(cell).encode()


def written(folder: Path) -> dict[str, bytes]:
    """Everything under a folder, unpacked, by file; names of files count as written too."""
    paths = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {str(path.relative_to(folder)): b"\n".join([str(path).encode(), *texts(path)]) for path in paths}


def leaks(pieces: dict[str, bytes]) -> list[tuple[str, bytes]]:
    """Where a secret stands, and what stands around it."""
    return [
        (name, text[max(0, text.index(form) - 60) : text.index(form) + 60])
        for name, text in pieces.items()
        for form in FORMS
        if form in text
    ]


class Heard:
    """Runs commands with --debug and keeps all that they print."""

    def __init__(self, evalkit: Commands) -> None:
        self._evalkit = evalkit
        self.said: dict[str, bytes] = {}

    def __call__(self, *words: str, code: int | None = None) -> Ran:
        ran = self._evalkit("--debug", *words)
        # What was typed is the test's own; what came back is searched.
        self.said[f"{len(self.said)} {words[0]}"] = f"{ran.out}\n{ran.err}".encode()
        assert code is None or ran.code == code, ran
        return ran


@pytest.fixture
def heard(evalkit: Commands, monkeypatch: pytest.MonkeyPatch) -> Heard:
    monkeypatch.setenv(VARIABLE, KEY)
    monkeypatch.setenv("OPENAI_API_KEY", OTHER)
    monkeypatch.setenv("GATEWAY_TOKEN", NAMELESS)
    subprocess.run(["git", "init", "-q"], check=True)
    return Heard(evalkit)


def settings(server: FakeOpenAI, *more: str) -> tuple[str, ...]:
    """Settings of a run: its address holds a password and a key, its own key stands in another variable."""
    url = server.base_url.replace("//", f"//me:{PASSWORD}@") + f"?key={QUERY}"
    words = asking(server, "task=qa", "dataset=jsonl", "dataset.path=samples.jsonl", "dataset.id=id")[1:]
    return (
        *words,
        *("dataset.target=target", "dataset.input.question=question", "metrics=[exact_match,rouge]"),
        *(f'model.base_url="{url}"', f"model.api_key_env={VARIABLE}", "executor.attempts=2"),
        *("resamples=10", "gate.resamples=10", "max_failed=1", *more),
    )


def test_no_command_writes_a_key_that_a_server_sends_back(heard: Heard, tmp_path: Path) -> None:
    samples(["fine", *IN_ANSWERS, *IN_ERRORS, "filter"])
    # With a password in the address, the key in the header is the password's; the server knows both.
    with FakeOpenAI(answer, faults=lasting(IN_ERRORS)) as server:
        told = settings(server)
        plain = (*told, f"model.base_url={server.base_url}")
        heard("run", *plain, code=0)
        heard("run", *told, code=0)
        assert {one.headers["authorization"].split()[0] for one in server.requests} == {"Bearer", "Basic"}
        assert any(QUERY in one.query for one in server.requests)
        heard("accept", "latest", "--reason", "first", "--allow-failures", "--allow-dirty", code=0)
        heard("run", "-m", *plain, "prompt.system=Be brief.,Be briefer.")
        heard("run", "-m", *told, "trials=1,0")
        heard("run", "--cfg", "job", *told)
        heard("run", "--cfg", "job", "--resolve", *plain, "prompt.system=${oc.env:OPENAI_API_KEY}")
        heard("plan", *told)
        heard("selfcheck", *plain, "trials=4", "--rounds", "2")
        commands(heard)
    pieces = heard.said | written(tmp_path)
    assert leaks(pieces) == []
    # What was searched is what there is to search: the places where the key was stand in it.
    for name in (".evalkit/cache.sqlite", "exported.sqlite"):
        assert HIDDEN.encode() in pieces[name]
    hidden = [name for name, text in pieces.items() if HIDDEN.encode() in text]
    for kind in ("samples.jsonl", "report.json", "report.md", "report.html", " show"):
        assert any(kind in name for name in hidden), kind


def commands(heard: Heard) -> None:
    """All that can be asked about runs that are there."""
    base, *_ = sorted(Path("results/runs/qa").iterdir())
    for form in ("html", "markdown", "junit", "github", "json", "latex", "csv"):
        heard("report", str(base), "--format", form)
    for words in (
        ("show", str(base)),
        ("show", str(base), "--json"),
        *(("show", str(base), name) for name in ("fine", *IN_ANSWERS, *IN_ERRORS, "filter")),
        ("show", str(base), "nothing"),
        ("score", str(base), "metrics=[bleu]"),
        ("score", str(base), "model.name=other"),
        ("verify", str(base)),
        ("compare", str(base), "latest"),
        ("compare", "main", "latest", "--json"),
        ("gate", "latest", "--json"),
        ("gate", str(base)),
        ("diff", str(base), "latest"),
        ("table", "latest", str(base)),
        ("table", "latest", "--json"),
        ("list", "runs"),
        ("history",),
        ("cache", "stats", "--json"),
        ("cache", "explain", *SAME, "model.params.temperature=0.5"),
        ("cache", "export", "exported.sqlite"),
        ("cache", "import", "exported.sqlite", "--path", "imported.sqlite"),
        ("cache", "verify"),
        ("cache", "gc", "--older-than", "1d"),
    ):
        heard(*words)
    for line in (base / "samples.jsonl").read_bytes().splitlines():
        heard("cache", "explain", orjson.loads(line)["request_key"])


SAME = ("task=qa", "dataset=jsonl", "dataset.path=samples.jsonl", "dataset.id=id", "model=openai")


@pytest.mark.parametrize("status", ["401", "403", "404", "insufficient_quota"])
def test_run_that_is_stopped_says_no_key(status: str, heard: Heard, tmp_path: Path) -> None:
    samples(["a"])
    fault = Fault.status(
        429 if status == "insufficient_quota" else int(status),
        message=f"{ECHO} {PASSWORD} {QUERY}",
        code=status if status == "insufficient_quota" else KEY,
    )
    with FakeOpenAI(faults=FaultPlan.always(fault)) as server:
        heard("run", *settings(server), code=5)
        heard("run", "-m", *settings(server, "prompt.system=a,b"), code=5)
        heard("selfcheck", *settings(server), code=5)
    pieces = heard.said | written(tmp_path)
    assert leaks(pieces) == []
    assert HIDDEN in pieces["0 run"].decode()


@pytest.mark.parametrize(
    "setting",
    [
        f"model.api_key_env={PASTED}",
        f"model.api_key_env='{KEY}'",
        f"model.extra={{api_key: {PASTED}}}",
        f"model.extra={{user: {PASTED}}}",
        f"model.extra={{nested: {{authorization: [Bearer {PASTED}]}}}}",
        f"model.extra={{metadata: {{password: {NAMELESS}}}}}",
        f"model.extra={{user: '{KEY}'}}",
        f"model.extra={{user: {OTHER}}}",
        "model.extra={user: '${oc.env:OPENAI_API_KEY}'}",
        f"model.options={{api_key: {PASTED}}}",
        f"model.name={PASTED}",
        f"model.base_url=http://127.0.0.1:9/{PASTED}/v1",
        f"model.base_url=http://127.0.0.1:bad/{PASTED}?key={QUERY}",
        f"model.base_url=me:{PASSWORD}@host",
        f"prompt.system='Use {KEY}'",
        f"prompt.system={OTHER}",
        "prompt.system=${oc.env:GATEWAY_TOKEN}",
        f"model.api_key={PASTED}",
        f"model.extra={{api_key: {PASTED}",
        f"model.extra.api_key=={PASTED}",
        f"nothing={OTHER}",
        f"model.params.temperature={OTHER}",
        "model.params.seed=${oc.env:OPENAI_API_KEY}",
        f"{PASTED}",
        f"model={OTHER}",
    ],
)
def test_setting_that_holds_a_key_is_refused_without_repeating_it(
    setting: str, heard: Heard, tmp_path: Path
) -> None:
    samples(["a"])
    with FakeOpenAI() as server:
        heard("run", *settings(server, setting), code=2)
        heard("run", "-m", *settings(server, setting), code=2)
        heard("plan", *settings(server, setting))
        heard("cache", "explain", *settings(server, setting))
        assert server.count == 0
    assert leaks(heard.said | written(tmp_path)) == []


def test_key_in_a_file_of_the_users_own_is_refused_too(heard: Heard, tmp_path: Path) -> None:
    samples(["a"])
    Path("configs/model").mkdir(parents=True)
    mine = Path("configs/model/mine.yaml")
    mine.write_text(f"defaults: [openai]\nextra: {{gateway: {{api_key: {PASTED}}}}}\n", "utf-8")
    heard("run", "task=qa", *SAME[1:4], "model=mine", code=2)
    mine.unlink()
    assert leaks(heard.said | written(tmp_path)) == []


def test_logs_of_the_official_client_hold_no_key(heard: Heard, evalkit: Commands, tmp_path: Path) -> None:
    """With its logging turned on, in a process of its own: it is set up when the package is imported."""
    samples(["fine", *IN_ANSWERS, *IN_ERRORS])
    with FakeOpenAI(answer, faults=lasting(IN_ERRORS)) as server:
        ran = evalkit.process("run", *settings(server), env={**os.environ, "OPENAI_LOG": "debug"})
    assert ran.code == 0
    assert "DEBUG" in ran.err
    assert leaks({"out": ran.out.encode(), "err": ran.err.encode()} | written(tmp_path)) == []


LEAKY = f"""
import os

from evalkit.metrics.base import MeanMetric


class Leaky(MeanMetric):
    names = ("leaky",)
    signature = "none"

    def score(self, prediction, references):
        raise RuntimeError(f"bad key {{os.environ['{VARIABLE}']}} and {{os.environ['GATEWAY_TOKEN']}}")
"""


def test_bug_is_shown_without_keys(heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that shows the key in its error: its traceback is printed, and the key is not."""
    Path("leaky.py").write_text(LEAKY, "utf-8")
    write(Path("configs/metrics/leaky.yaml"), "leaky: {_target_: leaky.Leaky}\n")
    monkeypatch.syspath_prepend(os.fspath(tmp_path))
    samples(["a"])
    with FakeOpenAI() as server:
        told = settings(server, "metrics=[leaky]")
        ran = heard("--allow-plugin", "leaky", "run", *told, code=70)
        heard("run", "-m", *told, "seed=1,2", code=70)
    assert f"RuntimeError: bad key {HIDDEN} and {HIDDEN}" in ran.err
    Path("leaky.py").unlink()
    assert leaks(heard.said | written(tmp_path)) == []
