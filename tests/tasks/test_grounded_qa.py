"""Grounded question answering from the command line: with passages, without, and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import Commands, asking, write, write_lines
from metrics.conftest import shared_rows

from evalkit.search_path import shipped

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI
    from metrics.conftest import Rows

__all__ = ["shared_rows"]

FACTS = {
    "ferry": ("When does the ferry leave?", "at noon", "The ferry leaves at noon."),
    "bridge": ("What colour is the bridge?", "green", "The bridge was painted green in May."),
    "tower": ("How high is the tower?", "41 metres", "The tower is 41 metres high."),
    "market": ("On which day is the market?", "Thursday", "The market is held on Thursday."),
}
UNANSWERABLE: tuple[str, list[str], str] = ("Who built the station?", [], "The station has two tracks.")
ABSTAINING = '{"answer": "not in the passages"}'


def data(folder: Path, *more: str) -> list[str]:
    rows = [
        {"id": name, "question": question, "answers": [answer], "relevant": [name]}
        for name, (question, answer, _) in FACTS.items()
    ]
    rows.append({"id": "station", "question": UNANSWERABLE[0], "answers": [], "relevant": []})
    base = [{"id": name, "text": text} for name, (_, _, text) in FACTS.items()]
    base += [{"id": "station", "text": UNANSWERABLE[2]}, {"id": "other", "text": "Owls hunt mice."}]
    return [
        *("task=grounded_qa", "dataset=jsonl", f"dataset.path={write_lines(folder / 'data.jsonl', *rows)}"),
        *("dataset.input.question=question", "dataset.target=answers", "dataset.unanswerable=true"),
        *(
            f"retrieval.path={write_lines(folder / 'kb.jsonl', *base)}",
            "retrieval.k=2",
            "resamples=10",
            *more,
        ),
    ]


def reads(body: Mapping[str, Any]) -> str:
    """Answer rightly when the passage is in the prompt, and abstain otherwise."""
    asked = str(body["messages"][-1]["content"])
    for question, answer, text in FACTS.values():
        if question in asked and text in asked:
            return json.dumps({"answer": answer})
    return ABSTAINING


def values(evalkit: Commands) -> dict[str, Any]:
    return {name: one["value"] for name, one in evalkit.report()["metrics"].items()}


def test_with_passages_all_is_right(evalkit: Commands, server: FakeOpenAI) -> None:
    """Four answers from their passages, one question that no passage answers: five times right."""
    server.settings.answer = reads
    ran = evalkit(*asking(server, *data(evalkit.folder)))
    assert ran.code == 0, ran.err
    found = values(evalkit)
    assert found.pop("k_f1") < 1
    assert found == {
        "exact_match": 1.0,
        "token_f1": 1.0,
        "k_precision": 1.0,
        "abstention_recall": 1.0,
        "abstention_precision": 1.0,
        "abstention_rate": pytest.approx(0.2),
        "recall@1": 1.0,
        "recall@5": 1.0,
        "mrr": 1.0,
    }


def test_without_passages_the_same_model_knows_nothing_and_the_runs_compare(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    """1 of 5 right without (it abstains), 5 of 5 with: four gained, none lost, McNemar's mid-p 0.0625."""
    server.settings.answer = reads
    evalkit(*asking(server, *data(evalkit.folder), "retrieval=none"))
    without, alone = evalkit.last_run(), evalkit.report()
    assert "retrieval" not in alone["dataset"]
    assert {name: one["value"] for name, one in alone["metrics"].items()} == {
        "exact_match": pytest.approx(0.2),
        "token_f1": pytest.approx(0.2),
        "k_precision": None,
        "k_f1": None,
        "abstention_recall": 1.0,
        "abstention_precision": pytest.approx(0.2),
        "abstention_rate": 1.0,
        "recall@1": 0.0,
        "recall@5": 0.0,
        "mrr": 0.0,
    }
    evalkit(*asking(server, *data(evalkit.folder)))
    ran = evalkit("compare", str(without), str(evalkit.last_run()), "--json")
    assert ran.code == 0, ran.err
    (case,) = json.loads(ran.out)["cases"]
    assert case["problem"] is None
    effects = {one["metric"]: one for one in case["metrics"]}
    matched = effects["exact_match"]["effect"]
    assert (matched["baseline"], matched["candidate"], matched["n"]) == (pytest.approx(0.2), 1.0, 5)
    assert matched["p_value"] == pytest.approx(0.0625)
    assert effects["exact_match"]["verdict"] == "PASSED"
    assert "k_precision" not in effects
    assert any(
        "not compared, without a value on one side or both: k_precision" in one for one in case["notes"]
    )
    (told,) = [one for one in case["notes"] if one.startswith("the passages shown changed from none to 2 of")]
    assert "bm25:lucene" in told
    assert "version" not in told


def test_more_questions_give_a_verdict(evalkit: Commands, server: FakeOpenAI) -> None:
    """Twelve questions, none right without passages and all right with them: IMPROVED."""
    server.settings.answer = lambda body: (
        '{"answer": "red"}' if "is red" in str(body["messages"][-1]["content"]) else '{"answer": "blue"}'
    )
    rows = [{"id": f"q{n}", "question": f"What colour has lamp{n}?", "answer": "red"} for n in range(12)]
    base = [{"id": f"d{n}", "text": f"lamp{n} is red"} for n in range(12)]
    words = [
        *(
            "task=grounded_qa",
            "dataset=jsonl",
            f"dataset.path={write_lines(evalkit.folder / 'd.jsonl', *rows)}",
        ),
        *(
            "dataset.input.question=question",
            "dataset.target=answer",
            "metrics=[exact_match]",
            "retrieval.k=1",
        ),
        f"retrieval.path={write_lines(evalkit.folder / 'k.jsonl', *base)}",
    ]
    evalkit(*asking(server, *words, "retrieval=none"))
    without = evalkit.last_run()
    evalkit(*asking(server, *words))
    ran = evalkit("compare", str(without), str(evalkit.last_run()))
    assert ran.out.startswith(
        "IMPROVED: grounded_qa-d exact_match rose by 100.0 points, from 0.0 to 100.0"
    ), ran.out


def test_every_command_knows_of_the_passages(evalkit: Commands, server: FakeOpenAI) -> None:
    server.settings.answer = reads
    words = data(evalkit.folder, "trials=2")
    assert "5 samples, 2 trials" in evalkit("plan", *asking(server, *words)[1:]).out
    assert server.count == 0
    evalkit(*asking(server, *words))
    assert [one["added"]["retrieved"][0] for one in evalkit.samples()[::2]] == [*FACTS, "station"]
    checked = evalkit("verify", "latest")
    assert checked.code == 0, checked.out
    assert "passages of 5 samples" in checked.out
    assert "The ferry leaves at noon." in evalkit("show", "latest", "ferry").out
    assert "passages: 2 of" in evalkit("report", "latest", "--format", "markdown").out
    assert evalkit("report", "latest", "--format", "html").code == 0
    before = evalkit.report()
    assert evalkit("score", "latest", "metrics=[token_f1,groundedness,retrieval]").code == 0
    scored = evalkit.report()
    for name in ("token_f1", "k_precision", "mrr"):
        assert scored["metrics"][name]["value"] == before["metrics"][name]["value"]
    assert scored["dataset"] == before["dataset"]
    sent = server.count
    again = evalkit(
        "run", "--from-report", str(evalkit.folder / "results" / "runs" / "grounded_qa" / before["run_id"])
    )
    assert again.code == 0, again.err
    assert server.count == sent
    assert evalkit.report()["dataset"]["retrieval"] == before["dataset"]["retrieval"]


def test_verify_notices_another_knowledge_base(evalkit: Commands, server: FakeOpenAI) -> None:
    server.settings.answer = reads
    evalkit(*asking(server, *data(evalkit.folder)))
    write_lines(evalkit.folder / "kb.jsonl", {"id": "new", "text": "The ferry leaves at nine."})
    checked = evalkit("verify", "latest")
    assert checked.code != 0
    assert 'sample "ferry": retrieval finds other passages now' in checked.out


def test_the_report_tells_how_passages_were_found(evalkit: Commands, server: FakeOpenAI) -> None:
    evalkit(*asking(server, *data(evalkit.folder), "retrieval.chunk.tokens=50"))
    told = evalkit.report()["dataset"]["retrieval"]
    assert told.pop("signature").startswith(
        "bm25:lucene|k1:1.5|b:0.75|tok:bigrams|stem:english|stop:english|"
    )
    assert len(told.pop("fingerprint")) == 64
    path = str(evalkit.folder / "kb.jsonl")
    assert told == {"k": 2, "knowledge": path, "documents": 6, "passages": 6, "without": 0}


def test_gold_passages_are_an_upper_bound(evalkit: Commands, server: FakeOpenAI) -> None:
    server.settings.answer = reads
    ran = evalkit(*asking(server, *data(evalkit.folder, "retrieval=gold", "retrieval.relevant=relevant")))
    assert ran.code == 0, ran.err
    assert values(evalkit)["exact_match"] == 1.0
    assert [one["added"]["retrieved"] for one in evalkit.samples()] == [[name] for name in FACTS] + [[]]


def test_few_shot_examples_show_their_own_passages(evalkit: Commands, server: FakeOpenAI) -> None:
    words = data(evalkit.folder)
    pool = [{"id": "p", "question": "What do owls hunt?", "answers": ["mice"]}]
    pool += [{"id": "q", "question": "Who laid the two tracks?", "answers": []}]
    path = write_lines(evalkit.folder / "pool.jsonl", *pool)
    ran = evalkit(*asking(server, *words, "fewshot.k=2", f"fewshot.path={path}", "dataset.limit=1"))
    assert ran.code == 0, ran.err
    (sent,) = server.bodies if hasattr(server, "bodies") else [server.requests[0].body]
    turns = {str(one["content"]) for one in sent["messages"]}
    assert any("Owls hunt mice." in one and "What do owls hunt?" in one for one in turns)
    assert {'{"answer": "mice"}', ABSTAINING} <= turns


def test_a_question_without_a_hit_is_told_and_asked(evalkit: Commands, server: FakeOpenAI) -> None:
    server.settings.answer = reads
    words = data(evalkit.folder)
    write_lines(evalkit.folder / "kb.jsonl", {"id": "ferry", "text": FACTS["ferry"][2]})
    ran = evalkit(*asking(server, *words))
    assert ran.code == 0, ran.err
    assert "retrieval.k=2: the knowledge base has 1 passages" in ran.err
    assert "no passage was found for 4 questions (bridge, tower, market, … 1 more)" in ran.err
    assert "(none was found)" in evalkit("show", "latest", "bridge").out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["retrieval.path=null"], "retrieval has no passages: set retrieval.path=FILE"),
        (["retrieval.passages=texts"], "retrieval.path and retrieval.passages are both set"),
        (["retrieval.k=0"], "retrieval.k=0: must be at least 1"),
        (["retrieval.path=nowhere.jsonl"], "nowhere.jsonl"),
        (["retrieval.text=body"], 'no column "body" for retrieval.text'),
        (["retrieval.query=qestion"], 'has no input field "qestion" to look up (did you mean "question"?)'),
        (["retrieval.options.k2=1"], "retrieval.options.k2: Bm25 has no such option; it takes method, k1, b"),
        (["retrieval.chunk.overlap=3"], "set retrieval.chunk.tokens too"),
        (["retrieval=gold"], "set retrieval.relevant=<column"),
        (["retrieval=bm52"], 'no retrieval "bm52" (did you mean "bm25"?)'),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_sent(
    words: list[str], says: str, evalkit: Commands, server: FakeOpenAI
) -> None:
    ran = evalkit(*asking(server, *data(evalkit.folder), *words))
    assert says in ran.error
    assert server.count == 0


def test_an_empty_knowledge_base_is_refused(evalkit: Commands, server: FakeOpenAI) -> None:
    words = data(evalkit.folder)
    write(evalkit.folder / "kb.jsonl", "")
    assert "no rows; there is nothing to retrieve" in evalkit(*asking(server, *words)).error


@pytest.mark.parametrize(("package", "setting"), [("bm25s", "retrieval=bm25"), ("Stemmer", "PyStemmer")])
def test_without_the_extra_it_says_which_and_works_without_passages(
    package: str, setting: str, evalkit: Commands, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    ran = evalkit(*asking(server, "task=grounded_qa", "dataset.limit=2"))
    assert setting in ran.error
    assert "pip install 'evalkit[retrieval]'" in ran.error
    assert server.count == 0
    assert evalkit(*asking(server, "task=grounded_qa", "dataset.limit=2", "retrieval=none")).code == 0


def test_right_and_wrong_answers_to_the_embedded_benchmark(evalkit: Commands, server: FakeOpenAI) -> None:
    """Answers from the passage where it is shown: 44 of 45 questions at k=1 are right but for two."""
    folder = shipped("benchmarks") / "grounded_qa"
    rows, base = (
        [json.loads(line) for line in (folder / f"{name}.jsonl").read_text("utf-8").splitlines()]
        for name in ("data", "knowledge")
    )
    texts = {one["id"]: one["text"] for one in base}

    def answer(body: Mapping[str, Any]) -> str:
        asked = str(body["messages"][-1]["content"])
        row = next(one for one in rows if asked.endswith(f"Question: {one['question']}"))
        shown = [one for one in row["relevant"] if texts[one] in asked]
        return json.dumps({"answer": row["answers"][0]}, ensure_ascii=False) if shown else ABSTAINING

    server.settings.answer = answer
    ran = evalkit(*asking(server, "task=grounded_qa", "retrieval.k=1", "resamples=10"))
    assert ran.code == 0, ran.err
    found = values(evalkit)
    assert found["recall@1"] == pytest.approx(43 / 45)
    assert found["exact_match"] == found["token_f1"] == pytest.approx((43 + 8) / 53)
    assert (found["abstention_recall"], found["abstention_precision"]) == (1.0, pytest.approx(8 / 10))


def test_the_benchmark_is_what_its_card_says() -> None:
    folder = shipped("benchmarks") / "grounded_qa"
    rows, base = (
        [json.loads(line) for line in (folder / f"{name}.jsonl").read_text("utf-8").splitlines()]
        for name in ("data", "knowledge")
    )
    texts = {one["id"]: f"{one['title']} {one['text']}".casefold() for one in base}
    assert len(rows) >= 36
    assert len(texts) == len(base) >= 60
    for row in rows:
        assert bool(row["answers"]) == bool(row["relevant"]) == row["answerable"]
        if row["answers"]:
            assert any(one.casefold() in texts[name] for one in row["answers"] for name in row["relevant"]), (
                row
            )


@pytest.mark.shared
def test_recall_over_shared_paragraphs_is_that_of_a_direct_computation(
    evalkit: Commands, shared_rows: Rows, shared_data: Path
) -> None:
    """Each of 250 questions has its article's five paragraphs: BM25 puts the right one first in 237."""
    from retrieval.plain import rank

    rows = shared_rows("grounded_qa_xquad_en")
    path = shared_data / "grounded_qa_xquad_en.jsonl"
    ran = evalkit(
        *(
            "run",
            "task=grounded_qa",
            "dataset=jsonl",
            f"dataset.path={path}",
            "dataset.input.question=question",
        ),
        *("dataset.target=answers", "retrieval.passages=passages", "retrieval.relevant=gold_passage"),
        *("model=recorded", f"model.path={path}", "model.output=question", "resamples=10"),
    )
    assert ran.code == 0, ran.err
    ranks = [
        next((place for place, (one, _) in enumerate(rank(row["passages"], row["question"]), start=1)
              if one == row["gold_passage"]), None)
        for row in rows
    ]  # fmt: skip
    found = values(evalkit)
    assert found["recall@1"] == pytest.approx(sum(one == 1 for one in ranks) / 250) == pytest.approx(0.948)
    assert found["recall@5"] == pytest.approx(sum(one is not None for one in ranks) / 250)
    assert found["mrr"] == pytest.approx(sum(1 / one for one in ranks if one) / 250)


@pytest.mark.shared
def test_recall_over_shared_abstracts_as_one_knowledge_base(evalkit: Commands, shared_rows: Rows) -> None:
    """500 abstracts of PubMedQA, each a document: how often the question's own comes first."""
    from retrieval.plain import rank

    rows = shared_rows("grounded_qa_pubmedqa")
    texts = [" ".join(row["passages"]) for row in rows]
    base = [{"id": row["id"], "text": text} for row, text in zip(rows, texts, strict=True)]
    chosen = rows[::5]
    asked = [{"id": row["id"], "doc": row["id"], "question": row["question"]} for row in chosen]
    path = write_lines(evalkit.folder / "q.jsonl", *asked)
    ran = evalkit(
        *("run", "task=grounded_qa", "dataset=jsonl", f"dataset.path={path}", "retrieval.relevant=doc"),
        *("dataset.input.question=question", "metrics=[retrieval,groundedness]", "resamples=10"),
        f"retrieval.path={write_lines(evalkit.folder / 'kb.jsonl', *base)}",
        *("model=recorded", f"model.path={path}", "model.output=question"),
    )
    assert ran.code == 0, ran.err
    right = sum(rows[rank(texts, row["question"])[0][0]]["id"] == row["id"] for row in chosen)
    assert values(evalkit)["recall@1"] == pytest.approx(right / len(chosen))
