"""What is asked in every part: texts of about 300 bytes, files of rows, and the commands that evaluate them.

Texts come from a seed, so every contestant and every machine works on the same bytes.
"""

import json
import random
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXTS = 997  # distinct texts; prime, so that they do not fall in step with anything
WORDS = 60  # of a text
SYSTEM = "Answer in one sentence."
MODEL = "bench"
VOCABULARY = """
the a an of in and to dog dogs barked barking agreed agreement nation national people happily runs running
easily conditional report 3.14 1,000 U.S. don't today's city council said minister house bread water train
""".split()  # noqa: SIM905 - as a list it is a page
CONFIGS = {
    "prompt/bench.yaml": f"name: bench\nsystem: {SYSTEM}\ntemplate: '{{{{ question }}}}'\n",
    "task/bench.yaml": (
        "# @package _global_\n"
        "defaults:\n"
        "  - override /dataset: jsonl\n"
        "  - override /prompt: bench\n"
        "  - override /metrics: [exact_match]\n"
        "task: {name: bench, postprocess: [strip]}\n"
        "dataset: {id: id, target: target, input: {question: question}}\n"
    ),
}


@cache
def texts() -> tuple[str, ...]:
    """Return the texts that answers, references and questions are made of."""
    rng = random.Random(0)
    return tuple(" ".join(rng.choices(VOCABULARY, k=WORDS)) for _ in range(TEXTS))


def text(number: int) -> str:
    """Return the text of that number, again and again in a circle."""
    found = texts()
    return found[number % len(found)]


def rows(n: int, pieces: int = 1) -> Iterator[dict[str, str]]:
    """Yield n rows: a question of `pieces` texts and a number that makes it unique, and a reference."""
    for number in range(n):
        asked = " ".join(text(number + 7 * piece) for piece in range(pieces))
        yield {"id": str(number), "question": f"{number}: {asked}", "target": text(3 * number)}


def write_rows(path: Path, n: int, pieces: int = 1) -> Path:
    """Write n rows as JSON Lines and return the path."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows(n, pieces))
    return path


def write_outputs(path: Path, n: int) -> Path:
    """Write n recorded outputs as JSON Lines and return the path."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"id": str(one), "output": text(one)}) + "\n" for one in range(n))
    return path


def write_configs(folder: Path) -> None:
    """Write the task and prompt of the benchmark where a run in `folder` finds them."""
    for name, content in CONFIGS.items():
        path = folder / "configs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def evalkit(*words: str) -> list[str]:
    """Return the command line of evalkit in this environment."""
    return [sys.executable, "-m", "evalkit", *words]


def run_words(data: Path, *words: str) -> list[str]:
    """Return the words of a run over `data`."""
    return ["run", "task=bench", f"dataset.path={data}", *words]


def served(base_url: str, concurrency: int) -> list[str]:
    """Return the settings of a run that asks the server."""
    return [
        *("model=openai", f"model.name={MODEL}", f"model.base_url={base_url}"),
        f"executor.concurrency={concurrency}",
    ]


def recorded(outputs: Path) -> list[str]:
    """Return the settings of a run over recorded outputs."""
    return ["model=recorded", f"model.path={outputs}", "model.output=output", "model.id=id"]


def bare(kind: str, base_url: str, data: Path, concurrency: int) -> list[str]:
    """Return the command of a bare loop: `aiohttp`, `httpx2` (of the official client) or `raw` aiohttp."""
    script = str(Path(__file__).with_name("bare_client.py"))
    return [sys.executable, script, kind, base_url, str(data), str(concurrency)]
