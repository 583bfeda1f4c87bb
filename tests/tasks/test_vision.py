"""Questions about pictures, and captions, from the command line; no report or cache holds a picture."""

from __future__ import annotations

import base64
import importlib.util
import json
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import Commands, asking, write_lines
from pictures import png

from evalkit.search_path import shipped

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

HERE = shipped("benchmarks") / "vision"
ROWS = [json.loads(line) for line in (HERE / "data.jsonl").read_text("utf-8").splitlines()]
QUESTIONS = [row for row in ROWS if row["kind"] == "question"]
CAPTIONS = [row for row in ROWS if row["kind"] == "caption"]
QUICK = "resamples=10"


def seen(body: Mapping[str, Any]) -> tuple[str, bytes]:
    """The question and the picture's bytes, as the server gets them."""
    parts = (body.get("messages") or body["input"])[-1]["content"]
    text = next(part["text"] for part in parts if "text" in part)
    image = next(part["image_url"] for part in parts if "image_url" in part)
    url = image["url"] if isinstance(image, dict) else image
    head, _, data = url.partition(",")
    assert head == "data:image/png;base64"
    return text, base64.b64decode(data)


def answering(server: FakeOpenAI, rows: list[Any], answer: Callable[[dict[str, Any]], str]) -> None:
    """Answer by the row that has the question and the picture."""
    pictures = {row["image"]: (HERE / row["image"]).read_bytes() for row in rows}

    def find(body: Mapping[str, Any]) -> str:
        asked = seen(body)
        row = next(row for row in rows if (row["question"], pictures[row["image"]]) == asked)
        return answer(row)

    server.settings.answer = find


def values(evalkit: Commands) -> dict[str, float]:
    return {name: one["value"] for name, one in evalkit.report()["metrics"].items()}


@pytest.mark.parametrize("endpoint", ["chat", "responses"])
def test_right_answers_to_every_question_score_full_marks(
    endpoint: str, evalkit: Commands, server: FakeOpenAI
) -> None:
    answering(server, QUESTIONS, lambda row: str(row["target"][0]))
    ran = evalkit(*asking(server, "task=vision", QUICK, f"model.endpoint={endpoint}"))
    assert ran.code == 0, ran.err
    assert server.count == len(QUESTIONS) == 59
    assert values(evalkit) == {"exact_match": 1.0, "token_f1": 1.0}


def test_right_and_wrong_answers_give_exactly_known_scores(evalkit: Commands, server: FakeOpenAI) -> None:
    """Of four: right by another spelling, wrong, half of the words right (F1 2 · ½ · 1 / 1½), right."""
    said = ["A disc.", "blue", "圆形", "the green square"]
    answering(server, QUESTIONS, lambda row: said[QUESTIONS.index(row)])
    ran = evalkit(*asking(server, "task=vision", QUICK, "dataset.limit=4"))
    assert ran.code == 0, ran.err
    assert values(evalkit) == pytest.approx({"exact_match": 2 / 4, "token_f1": (1 + 0 + 1 + 2 / 3) / 4})


def test_captions_are_scored_by_the_best_reference(evalkit: Commands, server: FakeOpenAI) -> None:
    answering(server, CAPTIONS, lambda row: str(row["target"][1]))
    ran = evalkit(*asking(server, "task=captioning", QUICK))
    assert ran.code == 0, ran.err
    assert server.count == len(CAPTIONS) == 40
    found = values(evalkit)
    assert (found["rouge1"], found["rougeL"], found["chrf"]) == (1.0, 1.0, 100.0)


def test_a_caption_by_hand(evalkit: Commands, server: FakeOpenAI) -> None:
    """ "A red circle." against "A red circle on a white background.": 3 of 3 and 3 of 7, F1 0.6."""
    server.settings.answer = "A red circle."
    ran = evalkit(*asking(server, "task=captioning", QUICK, "dataset.limit=1", "metrics=[rouge]"))
    assert ran.code == 0, ran.err
    assert values(evalkit)["rouge1"] == pytest.approx(2 * 1 * (3 / 7) / (1 + 3 / 7))


def test_reports_and_cache_hold_a_hash_and_no_picture(evalkit: Commands, server: FakeOpenAI) -> None:
    """A picture of a megabyte as a data URL in the rows: nothing that is kept grows by it."""
    noise = zlib.compress(bytes(10))
    large = png()[:-12] + struct.pack(">I", 10**6) + b"juNk" + bytes(10**6) + b"\0\0\0\0" + noise
    url = "data:image/png;base64," + base64.b64encode(large).decode()
    rows = [{"id": "a", "question": "?", "image": url, "answer": "x"}]
    (evalkit.folder / "b.png").write_bytes(large)
    rows.append({"id": "b", "question": "?", "image": "b.png", "answer": "x"})
    path = write_lines(evalkit.folder / "own.jsonl", *rows)
    words = (
        "task=vision", QUICK, "dataset=jsonl", f"dataset.path={path}", "dataset.target=answer",
        "dataset.input={question: question, image: image}",
    )  # fmt: skip
    server.settings.answer = "x"
    # Two pictures as texts of a million letters would be 2 USD and more.
    budget = (
        "budget.usd=0.01",
        "model.prices.input=2.5",
        "model.prices.output=10",
        "model.params.max_tokens=9",
    )
    ran = evalkit(*asking(server, *words, *budget))
    assert ran.code == 0, ran.err
    assert server.count == 1  # the same picture with the same question is one request
    assert [seen(request.body)[1] for request in server.requests] == [large]
    folder = evalkit.last_run()
    evalkit("report", "latest", "--format", "html")
    kept = [*folder.iterdir(), evalkit.folder / ".evalkit" / "cache.sqlite"]
    assert max(one.stat().st_size for one in kept) < 200_000
    lines = evalkit.samples()
    digest = lines[0]["input"]["image"].partition("sha256:")[2]
    assert lines[1]["input"]["image"].startswith("b.png (image/png, 2x1, ")
    assert digest in lines[1]["input"]["image"]
    shown = evalkit("show", "latest", "b")
    assert f"?\n[image (image/png, 2x1, {len(large)} bytes, sha256:{digest}" in shown.out
    assert evalkit("verify", "latest").code == 0
    (evalkit.folder / "b.png").unlink()
    assert evalkit("show", "latest", "b").out == shown.out
    plan = evalkit("plan", *asking(server, *words)[1:])
    assert "there is no file" in plan.error


def test_a_moved_file_is_found_in_the_cache_and_a_changed_one_is_asked(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    server.settings.answer = "x"
    for place, (name, grey) in enumerate([("a.png", 1), ("b.png", 1), ("b.png", 2)]):
        (evalkit.folder / name).write_bytes(png(grey=grey))
        path = write_lines(
            evalkit.folder / "own.jsonl", {"id": "a", "question": "?", "image": name, "answer": "x"}
        )
        ran = evalkit(
            *asking(
                server, "task=vision", QUICK, "dataset=jsonl", f"dataset.path={path}",
                "dataset.target=answer", "dataset.input={question: question, image: image}",
            )
        )  # fmt: skip
        assert ran.code == 0, ran.err
        assert server.count == (1, 1, 2)[place]


def test_explain_names_the_picture_that_differs(evalkit: Commands, server: FakeOpenAI) -> None:
    (evalkit.folder / "a.png").write_bytes(png(grey=1))
    path = write_lines(
        evalkit.folder / "own.jsonl", {"id": "a", "question": "?", "image": "a.png", "answer": "x"}
    )
    words = asking(
        server, "task=vision", QUICK, "dataset=jsonl", f"dataset.path={path}", "dataset.target=answer",
        "dataset.input={question: question, image: image}",
    )[1:]  # fmt: skip
    evalkit("run", *words)
    (evalkit.folder / "a.png").write_bytes(png(grey=2))
    told = evalkit("cache", "explain", *words)
    assert "image_url.url" in told.out
    assert len(told.out) < 3000


def test_images_of_a_parquet_file_are_sent(evalkit: Commands, server: FakeOpenAI) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    image = pa.array([{"bytes": png(grey=3), "path": "x/dot.png"}], kind)
    pq.write_table(
        pa.table({"id": ["1"], "q": ["?"], "image": image, "a": ["x"]}), evalkit.folder / "own.parquet"
    )
    server.settings.answer = "x"
    ran = evalkit(
        *asking(
            server, "task=vision", QUICK, "dataset=parquet", "dataset.path=own.parquet", "dataset.target=a",
            "dataset.input={question: q, image: image}", "prompt.images={field: image, detail: low}",
        )
    )  # fmt: skip
    assert ran.code == 0, ran.err
    body = server.requests[0].body
    assert seen(body) == ("?", png(grey=3))
    assert body["messages"][-1]["content"][1]["image_url"]["detail"] == "low"
    assert evalkit.samples()[0]["input"]["image"].startswith("dot.png (image/png, 2x1, ")


def test_a_url_goes_through_as_it_is(evalkit: Commands, server: FakeOpenAI) -> None:
    url = "https://example.com/a.png"
    path = write_lines(
        evalkit.folder / "own.jsonl", {"id": "a", "question": "?", "image": url, "answer": "x"}
    )
    server.settings.answer = "x"
    evalkit(
        *asking(
            server, "task=vision", QUICK, "dataset=jsonl", f"dataset.path={path}", "dataset.target=answer",
            "dataset.input={question: question, image: image}",
        )
    )  # fmt: skip
    assert server.requests[0].body["messages"][-1]["content"][1]["image_url"] == {"url": url}


@pytest.mark.parametrize("task", ["vision", "captioning"])
def test_a_model_that_sees_nothing_says_what_is_needed(task: str, evalkit: Commands) -> None:
    ran = evalkit("run", f"task={task}", "dataset.limit=3", "model=local")
    assert "the questions hold images, and smollm2-135m takes none: choose a model that does" in ran.error


def test_the_completions_endpoint_takes_no_images(evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit(*asking(server, "task=vision", "dataset.limit=1", "model.endpoint=completions"))
    assert "a user message is more than text, and the completions endpoint takes one text" in ran.error
    assert server.count == 0


def test_the_pictures_are_what_the_script_draws() -> None:
    """Pixel by pixel: another zlib may pack them otherwise."""
    spec = importlib.util.spec_from_file_location("draw", HERE / "draw.py")
    assert spec is not None
    assert spec.loader is not None
    draw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
    assert draw.rows() == ROWS
    names = {name for name, _, _ in draw.ROWS}
    assert names == {path.stem for path in (HERE / "images").iterdir()}
    assert len(names) >= 30
    for name, canvas, _ in draw.ROWS:
        assert unpacked(canvas.png()) == unpacked((HERE / "images" / f"{name}.png").read_bytes())
    assert sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file()) < 300_000


def unpacked(content: bytes) -> list[bytes]:
    """A PNG's chunks, the pixels unpacked."""
    chunks, place = [], 8
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        kind, data = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        chunks.append(kind + (zlib.decompress(data) if kind == b"IDAT" else data))
        place += 12 + length
    return chunks


def test_every_row_names_a_picture_that_is_there() -> None:
    assert all(Path(HERE / row["image"]).is_file() for row in ROWS)
