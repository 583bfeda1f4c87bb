"""The commands on the pages about data, models, metrics, settings and speed run as they stand there.

Data of the hub is not asked for: such commands are composed, so that every setting that they name exists.
"""

import gzip
import re
import shlex
from pathlib import Path

import pytest
from commands import Commands, evalkit, server, write, write_lines
from fake_openai import FakeOpenAI

from evalkit.config.compose import load

__all__ = ["evalkit", "server"]
DOCS = Path(__file__).parents[1] / "docs"
PAGES = (
    *("data", "models", "metrics", "few-shot", "public-datasets", "configuration", "preprocessing"),
    "performance",
)
OPEN = re.compile(r"…|<\w+>|\|")  # left to the reader, or a pipe
ADDRESSES = re.compile(r"model=(vllm|ollama|gateway|azure)\b")
FEW = ("dataset.limit=3", "resamples=10")


def commands(page: str) -> list[str]:
    """The `evalkit` commands of a page's indented blocks, continued lines joined."""
    text = (DOCS / f"{page}.md").read_text("utf-8").replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if re.match(r"    (evalkit|\S.*\| evalkit) ", line)]


EVERY = [(page, line) for page in PAGES for line in commands(page)]
WHOLE = [(page, line) for page, line in EVERY if not OPEN.search(line)]
FROM_HUB = re.compile(r"dataset=(sst2|cnn_dailymail|squad)\b")


def test_every_page_shows_a_command_that_is_run() -> None:
    assert {page for page, _ in EVERY} == set(PAGES)
    assert len(WHOLE) > 12


@pytest.mark.parametrize("line", [line for _, line in WHOLE if FROM_HUB.search(line)])
def test_settings_of_a_command_for_the_hub_exist(line: str) -> None:
    config = load(shlex.split(line)[2:])
    assert config.dataset.revision
    assert f"dataset={config.dataset.name}" in line


@pytest.fixture
def project(evalkit: Commands, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """A folder with the files that the pages name, a run to look at, and the fake server for OpenAI's."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    for variable in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.setenv(variable, "sk-docs-0123456789abcdef")
    folder = evalkit.folder
    with gzip.open(folder / "reviews.csv.gz", "wt") as file:
        file.write("review,stars\nGood.,5\nWell.,3\nBad.,1\n")
    write_lines(folder / "数据.jsonl", *({"text": f"Text {n}", "label": "neutral"} for n in range(3)))
    write(folder / "my_prices.yaml", "gpt-4o: {input: 2.2, output: 9.0, recorded: 2026-11-22}\n")
    assert evalkit("run", "model=gpt-4o", *FEW).code == 0
    return evalkit


@pytest.mark.parametrize(("page", "line"), [one for one in WHOLE if not FROM_HUB.search(one[1])])
def test_a_command_of_the_page_runs(page: str, line: str, project: Commands, server: FakeOpenAI) -> None:
    command, *words = shlex.split(line, comments=True)[1:]
    if command == "run":
        words += FEW
        if ADDRESSES.search(line):
            address = server.base_url.removesuffix("/v1") if "azure" in line else server.base_url
            words.append(f"model.base_url={address}")
        elif "model=" not in line:
            words.append("model=gpt-4o")
        if "数据" in line:
            words += ["dataset=jsonl", "dataset.target=label"]
    words = ["latest" if word == "RUN" else word for word in words]
    if "metrics=[bleu,chrf,ter]" in words:
        assert project("run", "task=translation", "model=gpt-4o", *FEW).code == 0
    ran = project.process(command, *words) if "-m" in words else project(command, *words)
    assert ran.code == 0, f"{page}: {line}\n{ran.err}"
    assert ran.out
