"""What a command imports: starting it is most of what a small command costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from commands import Commands

# Each costs a start from 0.05 to 2 seconds of CPU.
SENDING = {"openai", "aiohttp", "httpx", "httpx2", "httpcore2", "pydantic", "anyio"}
DATA = {"datasets", "pyarrow", "pandas", "scipy", "sklearn", "evaluate", "huggingface_hub", "fsspec"}
SCORING = {"rouge_score", "rouge_score_rs", "nltk", "sacrebleu", "absl", "regex", "lxml", "jieba"}
OTHERS = {"matplotlib", "ray", "redis", "joblib", "torch", "transformers", "bm25s", "xllamacpp", "pytest"}
HEAVY = SENDING | DATA | SCORING | OTHERS
RUNNING = {"numpy", "jinja2", "rich", "orjson", "zstandard"}
COMPOSING = {"hydra", "omegaconf", "antlr4"}

LOADED = """
import json, sys
from evalkit.cli.main import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""
# What is loaded when the first connection is made; plain HTTP needs nobody's certificates.
FIRST = """
import json, ssl, sys
seen = []
def look(event, args):
    if event == "socket.connect" and not seen:
        seen.extend(sys.modules)
def read(*args, **kwargs):
    sys.exit("certificates were read")
sys.addaudithook(look)
ssl.SSLContext.load_verify_locations = read
from evalkit.cli.main import main
code = main(sys.argv[1:])
print(json.dumps([code, seen]), file=sys.stderr)
"""
# Our own modules that a plain run needs before its first request: 113, and few to grow by.
OURS = 115
LATER = {
    *("difflib", "evalkit.json_schema", "evalkit.tools", "evalkit.cache.explain"),
    *("evalkit.client.completions", "evalkit.client.responses", "evalkit.metrics.numbers"),
    *("evalkit.datasets.fewshot", "evalkit.datasets.fields", "evalkit.datasets.where"),
    *("evalkit.statistics", "evalkit.report.slices", "evalkit.report.make", "evalkit.report.publication"),
    *("evalkit.scoring", "evalkit.report.base", "evalkit.report.lines", "evalkit.images.reference"),
}
STEPS = {"evalkit.postprocess.base", "evalkit.postprocess.text"}
STEPS |= {"evalkit.preprocess.base", "evalkit.preprocess.steps"}
SPIN = """
import os, sys
from evalkit.cli.main import main
sys.argv = ["evalkit", "--version"]
main()
print(os.environ["OPENBLAS_THREAD_TIMEOUT"])
"""
KEPT = """
import json, sys
from evalkit.cache.scores import ScoreStore
from evalkit.metrics.bleu import Bleu
from evalkit.metrics.exact_match import ExactMatch
from evalkit.metrics.rouge import Rouge
from evalkit.metrics.sentence import SentenceBleu
from evalkit.records import Generation, Response, Sample
import numpy as np
asked = [Sample(str(n), {}, f"the target {n}") for n in range(20)]
answers = [Generation(str(n), 0, Response(""), f"the answer {n}") for n in range(20)]
store = ScoreStore(sys.argv[1], say=lambda said: sys.exit(said))
for kind in (ExactMatch, Rouge, Bleu, SentenceBleu):
    metric = kind().bind(asked)
    rows = store.rows(metric, answers, asked)
    metric.aggregate(rows, np.ones((1, 20))), metric.signature, metric.options, metric.key
store.close()
print(json.dumps([store.scored, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


def loaded(script: str, words: Sequence[str], folder: Path) -> tuple[int, set[str]]:
    """What a process of its own gave back, and the packages that it had loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=folder,
        env={**os.environ, "OPENAI_API_KEY": "sk-test"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    code, names = json.loads(done.stderr.splitlines()[-1])
    return code, set(names)


@pytest.mark.parametrize("word", ["--help", "--version", "list"])
def test_help_version_and_lists_import_nothing_heavy(word: str, tmp_path: Path) -> None:
    code, names = loaded(LOADED, [word], tmp_path)
    assert code == 0
    assert not names & (HEAVY | RUNNING | COMPOSING)


def test_showing_the_settings_imports_only_what_composes_them(asked: Sequence[str], tmp_path: Path) -> None:
    code, names = loaded(LOADED, ["run", "--cfg", "job", *asked[1:]], tmp_path)
    assert code == 0
    assert not names & (HEAVY | RUNNING)


def test_before_the_first_request_only_what_it_needs_is_imported(
    asked: Sequence[str], tmp_path: Path
) -> None:
    plain = ("metrics=[exact_match]", "task.postprocess=[strip]", "dataset.limit=4")
    code, names = loaded(FIRST, [*asked, *plain], tmp_path)
    assert code == 0
    assert "openai" in names
    assert not {name.partition(".")[0] for name in names} & (DATA | SCORING | OTHERS)
    assert not names & LATER
    assert {
        name for name in names if name.startswith(("evalkit.postprocess.", "evalkit.preprocess."))
    } <= STEPS
    assert len([name for name in names if name.startswith("evalkit")]) <= OURS


def test_a_prompt_of_fields_alone_needs_no_jinja_before_the_first_request(
    asked: Sequence[str], tmp_path: Path
) -> None:
    words = [*asked, "prompt.system=Be brief.", "prompt.messages=[]", "dataset.limit=4", "cache=refresh"]
    for template, needed in (("Q: {{ question }}", False), ("Q: {{ question | trim }}", True)):
        code, names = loaded(FIRST, [*words, f"prompt.template='{template}'"], tmp_path)
        assert code == 0
        assert "openai" in names
        assert ("jinja2" in names) is needed


def test_before_the_first_request_metrics_that_scored_before_need_no_numpy(
    evalkit: Commands, asked: Sequence[str]
) -> None:
    """Each metric has tried a made-up answer in the run before; what it made of it was kept."""
    words = [*asked, "metrics=[exact_match,f1,rouge,bleu,chrf]", "dataset.limit=4", "cache=refresh"]
    code, names = loaded(FIRST, words, evalkit.folder)
    assert code == 0
    assert "numpy" in names
    code, names = loaded(FIRST, words, evalkit.folder)
    assert code == 0
    assert not {name.partition(".")[0] for name in names} & ({"numpy"} | SCORING)


def test_a_run_from_the_cache_imports_neither_client_nor_data_libraries(
    evalkit: Commands, asked: Sequence[str]
) -> None:
    words = [*asked, "metrics=[exact_match]", "dataset.limit=20"]
    assert evalkit(*words).code == 0
    for more in ((), ("cache=replay",)):
        code, names = loaded(LOADED, [*words, *more], evalkit.folder)
        assert code == 0
        assert not names & HEAVY


def test_scores_that_were_kept_need_no_library_and_are_not_computed_again(
    evalkit: Commands, asked: Sequence[str]
) -> None:
    words = [*asked, "metrics=[exact_match,rouge,bleu,chrf]", "dataset.limit=20"]
    assert evalkit(*words).code == 0
    first = evalkit.report()
    assert first["timing"]["scores"] == {"kept": 0, "computed": 80}
    for more in ((), ("cache=replay",)):
        code, names = loaded(LOADED, [*words, *more], evalkit.folder)
        assert code == 0
        assert not names & HEAVY
        again = evalkit.report()
        assert again["run_id"] != first["run_id"]
        assert again["timing"]["scores"] == {"kept": 80, "computed": 0}
        assert again["metrics"] == first["metrics"]


def test_other_options_are_computed(evalkit: Commands, asked: Sequence[str]) -> None:
    words = [*asked, "metrics=[exact_match]", "dataset.limit=20"]
    assert evalkit(*words).code == 0
    assert evalkit(*words, "metrics.exact_match.ignore_case=true").code == 0
    assert evalkit.report()["timing"]["scores"] == {"kept": 0, "computed": 20}


def test_kept_scores_import_no_library_of_a_metric(tmp_path: Path) -> None:
    path = str(tmp_path / "scores.sqlite")
    scored, names = loaded(KEPT, [path], tmp_path)
    assert scored == 80
    assert {"sacrebleu"} <= names  # it is what scores, and the next assertion means something
    scored, names = loaded(KEPT, [path], tmp_path)
    assert scored == 0
    assert not names & HEAVY


@pytest.mark.parametrize(("own", "used"), [({}, "4"), ({"OPENBLAS_THREAD_TIMEOUT": "20"}, "20")])
def test_numpy_s_threads_sleep_when_they_have_no_work(own: Mapping[str, str], used: str) -> None:
    """Unless the user says otherwise; by themselves they keep their cores busy for 30 ms and more."""
    env = {name: value for name, value in os.environ.items() if name != "OPENBLAS_THREAD_TIMEOUT"}
    done = subprocess.run(
        [sys.executable, "-c", SPIN], env={**env, **own}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == used
