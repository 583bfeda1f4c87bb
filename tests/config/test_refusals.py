"""What is refused, and that each refusal is one line with a remedy that works."""

import re
import subprocess

import pytest
from commands import Commands, asking, write
from fake_openai import FakeOpenAI

from evalkit.config.compose import load
from evalkit.errors import ConfigError


def refusal(*words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(words)
    return " ".join(str(caught.value).split())


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("datset=qa", 'datset is no setting (did you mean "dataset"?)'),
        ("dataset.pth=x", 'dataset.pth is no setting (did you mean "path"?)'),
        ("+dataset.pth=x", 'dataset.pth is no setting (did you mean "path"?)'),
        ("++model.params.temprature=1", '(did you mean "temperature"?)'),
        ("+model.params.temprature=1", '(did you mean "temperature"?)'),
        ("temperature=1", '(did you mean "model.params.temperature"?)'),
        ("+temperature=1", '(did you mean "model.params.temperature"?)'),
        ("concurrency=4", '(did you mean "executor.concurrency"?)'),
        ("+modle.name=x", "modle"),
        ("task=sentimen", 'no task "sentimen" (did you mean "sentiment"?); there are '),
        ("model=gpt4o", '(did you mean "gpt-4o"?)'),
        ("metrics=[acuracy]", 'no metrics "acuracy" (did you mean "accuracy"?)'),
        ("metrics=acuracy", '(did you mean "accuracy"?)'),
        ("cache=of", '(did you mean "off"?)'),
        ("experiment=nope", "there are demo"),
        ("model.params.temperature=hot", "model.params.temperature=hot: must be a number, got 'hot'"),
        ("trials=abc", "trials=abc: must be a whole number, got 'abc'"),
        ("trials=1.5", "trials=1.5"),
        ("dataset.limit=ten", "dataset.limit=ten"),
        ("dataset.input=text", "dataset.input=text"),
        ("model.params=5", "model.params"),
        ("model.params.temperature=0,0.7", "evalkit run -m runs each"),
        ("foo", "'foo' is no setting; write group=choice or setting=value"),
        ("", "is no setting"),
        ("prompt.system=???", "prompt.system has no value yet"),
        ("prompt.system=${nope}", "Interpolation key 'nope' not found"),
        ("~task.nope", "task.nope"),
        ("metrics=null", "must be a string or a list"),
        ("metrics=[a", "a list is written [a,b]"),
        ("prompt.variables={a", "a mapping {key: value}"),
        ("dataset.input.问题=x", "can be set in a file of ./configs only"),
    ],
)
def test_mistake_is_named_with_its_remedy(word: str, says: str) -> None:
    assert says in refusal(word)


@pytest.mark.parametrize(
    "value",
    [
        "Be brief, please.",
        "a=b",
        "~x",
        "50 % # 1",
        "costs $5, or `date` \\ $(date)",
        "it's here",
        'Say "hi", now',
        "both ' and \", really",
        "数据",
        "a;b & (c) <d> | e!",
        'back\\\\slash, \\" quote',
        "ends in a comma, and \\",
        "{{ text }}, please",
        "f(x)",
    ],
)  # fmt: skip
def test_suggested_spelling_works_when_pasted_into_a_shell(value: str) -> None:
    word = f"prompt.system={value}"
    suggestion = refusal(word).partition("the shell's quotes: ")[2]
    assert load([pasted(suggestion)]).prompt.system == value


def pasted(suggestion: str) -> str:
    """What a command receives when this is pasted into a shell."""
    words = ["sh", "-c", f"printf %s {suggestion}"]
    return subprocess.run(words, capture_output=True, text=True, encoding="utf-8", check=True).stdout


def test_names_with_an_at_sign_go_into_a_mapping() -> None:
    message = refusal("prompt.variables.pass@1=x y")
    suggestion = message.partition("goes into a mapping: ")[2]
    assert load([pasted(suggestion)]).prompt.variables == {"pass@1": "x y"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["trials=0"], "trials=0: must be at least 1"),
        (["seed=-1"], "seed=-1: must be 0 or more"),
        (["confidence=95"], "between 0 and 1"),
        (["resamples=0"], "resamples=0"),
        (["max_failed=5"], "a share of the samples"),
        (["dataset.limit=0"], "must be at least 1 (null for all)"),
        (["executor.concurrency=0"], "executor.concurrency=0: must be at least 1"),
        (["executor.attempts=0"], "executor.attempts=0"),
        (["executor.deadline=0"], "executor.deadline=0"),
        (["executor.run_deadline=-1"], "executor.run_deadline=-1"),
        (["limits.rpm=0"], "limits.rpm=0"),
        (["limits.tpm=-5"], "limits.tpm=-5"),
        (["model.timeout=0"], "model.timeout=0"),
        (["model.timeout=nan"], "model.timeout=nan"),
        (["model.params.temperature=nan"], "finite numbers"),
        (["model.params.stop=5"], "model.params.stop must be a text"),
        (["model.name="], "model.name is missing"),
        (["model.endpoint=chatt"], '(did you mean "chat"?)'),
        (["model.extra={messages: x}"], "evalkit sets messages itself"),
        (["model.extra={temperature: 1}"], "set model.params.temperature instead"),
        (["model.prices.input=2"], "set both model.prices.input"),
        (["model.params.logit_bias=5"], "must map tokens"),
        (["prompt.answer_schema=5"], "must be a JSON schema"),
        (["model.path=x.jsonl"], "add model=recorded"),
        (["cache.mode=maybe"], "must be rw, refresh, replay, off"),
        (["task.name=../x"], "names a folder"),
        (["task.name="], "task.name is empty"),
        (["task.name=.hidden"], "names a folder"),
        (["task.name=" + "x" * 200], "names a folder"),
        (["suite=a/b"], "suite='a/b'"),
        (["metrics=[]"], "no metrics: set metrics=[accuracy]"),
        (["metrics.bleu.tokenize=zh"], "write metrics=[bleu] to select it"),
        (["metrics.accuracy.ignore_cas=true"], '(did you mean "ignore_case"?)'),
        (["+metrics.accuracy.ignore_cas=true"], '(did you mean "ignore_case"?)'),
        (["metrics=[exact_match]", "metrics.exact_match.normalize=squat"], "squat"),
        (["task.postprocess=[stripp]"], '(did you mean "strip"?)'),
        (["task.postprocess=[{regex: {}}]"], "task.postprocess[0].regex.pattern is missing"),
        (["task.postprocess=[{regex: {pattern: '('}}]"], "bad pattern"),
        (["task.postprocess=[5]"], "write a step's name"),
        (["task.postprocess=[{strip: {x: 1}}]"], "Strip has no such option"),
        (["dataset.records=x"], "dataset=jsonl has none; leave dataset.records out"),
        (["dataset=csv"], "set dataset.path=FILE"),
        (["dataset=jsonl", "dataset.path=nope.jsonl"], "no such file"),
        (["prompt.file=nope.txt"], "prompt.file=nope.txt: cannot be read"),
        (["prompt.template="], "no prompt"),
        (["prompt.template='{{ nope }}'"], "dataset.input.<name>=<column>"),
        (["prompt.messages=[{role: king, content: x}]"], "king"),
        (["results_dir=/dev/null"], "reports cannot be written there"),
        (["cache.path=/dev/null/x"], "set cache.path"),
        (["model._target_=evalkit.metrics.bleu.Bleu"], "it cannot serve here"),
        (["dataset._target_=evalkit.metrics.bleu.Bleu"], "it has no rows"),
        (["metrics.accuracy._target_=evalkit.datasets.files.Csv"], "it cannot serve here"),
        (["executor._target_=evalkit.datasets.files.Csv"], "it has no run"),
        (["task.postprocess=[{_target_: evalkit.datasets.files.Csv}]"], "it cannot serve here"),
        (["model._target_=evalkit.client.api.ApiModell"], '(did you mean "ApiModel"?)'),
        (["model._target_=evalkit.nope.X"], "cannot import evalkit.nope"),
        (["model._target_=X"], "must name a class like package.module.Class"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else None,
)  # fmt: skip
def test_run_refuses_before_anything_is_sent(
    words: list[str], says: str, evalkit: Commands, server: FakeOpenAI
) -> None:
    ran = evalkit(*asking(server, *words))
    if "model.name=" in words:
        ran = evalkit("run", "model=openai", "model.name=")
    assert says in ran.error
    assert server.count == 0
    assert not list(evalkit.folder.glob("results/runs/*/*"))


def test_base_url_with_the_embedded_model_is_a_mistake(evalkit: Commands, server: FakeOpenAI) -> None:
    assert "add model=openai" in evalkit("run", f"model.base_url={server.base_url}").error


@pytest.mark.parametrize("words", [["model=recorded"], ["model=recorded", "model.path=x.jsonl"]])
def test_recorded_says_what_is_missing(words: list[str], evalkit: Commands) -> None:
    assert "model=recorded scores outputs from a file: set model." in evalkit("run", *words).error


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1,\nb: 2\n", "bad YAML"),
        ("\tname: x\n", "bad YAML"),
        ("# mine\nname: x\nnope: 1\n", "prompt/mine.yaml: prompt.nope is no setting"),
        ("# mine\ntemplate: ???\n", "no prompt: set prompt.template"),
        ("# mine\ntemplate: {a: b}\n", "prompt/mine.yaml: prompt.template"),
        ("# mine\n- a\n- b\n", "prompt"),
        ("# mine\ndefaults:\n  - other\n", "other"),
    ],
)
def test_users_broken_config_file_is_named(text: str, says: str, evalkit: Commands) -> None:
    write(evalkit.folder / "configs/prompt/mine.yaml", text)
    error = evalkit("run", "prompt=mine").error
    assert says in error
    assert re.search(r"mine|prompt", error)


def test_users_config_file_in_another_encoding_is_refused(evalkit: Commands) -> None:
    (evalkit.folder / "configs/prompt").mkdir(parents=True)
    (evalkit.folder / "configs/prompt/mine.yaml").write_bytes("name: größe\n".encode("latin-1"))
    assert "UTF-8" in evalkit("run", "prompt=mine").error
