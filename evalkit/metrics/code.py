"""pass@k: the chance that one of k answers is a program that passes its test, run in the sandbox."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evalkit.errors import MetricError, SandboxError
from evalkit.later import np
from evalkit.metrics.base import Metric, options_text
from evalkit.metrics.text import check_choice
from evalkit.records import Generation, Sample
from evalkit.sandbox.base import Job, Limits, Verdict
from evalkit.sandbox.isolation import KINDS, NONE, isolation_of
from evalkit.sandbox.runner import Sandbox

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

# Where a completion has left the function it completes: the stop sequences of Chen et al. 2021.
_BEYOND = re.compile(r"^(?:class |def |#|if |print|@|assert |[`])", re.MULTILINE)
INDENT = "    "
PREAMBLES = ("imports", "all", "none")


class PassAtK(Metric):
    """pass@k in [0, 1] by the unbiased estimator of Chen et al. 2021 (arXiv 2107.03374).

    Of n answers to a sample c pass: 1 - C(n - c, k) / C(n, k), averaged over samples. A sample with fewer
    than k answers has no pass@k and is left out of it. An answer may be a completion of the sample's `prompt`
    (an input field) or a whole program. `test`, `entry_point` and `setup` name columns: the test (a text, or
    a list of statements), the function that it is about, and what is executed before it. `header` is put in
    front of every program, such as imports that its prompt leaves out; `preamble` says what of the prompt
    stands before an answer that is a whole program: its "imports", "all" that comes before the function (its
    helpers too), or "none". `timeout` is seconds, `memory`
    megabytes a process, both for one program and its test.
    """

    needs_target = False

    def __init__(  # noqa: PLR0913 - keyword options of a config
        self,
        *,
        k: Sequence[int] = (1,),
        test: str = "test",
        entry_point: str = "entry_point",
        setup: str | None = None,
        header: str = "",
        preamble: str = "imports",
        timeout: float = 10.0,
        memory: int = 512,
        sandbox: str = "bubblewrap",
    ) -> None:
        self.k = (k,) if isinstance(k, int) else tuple(k)
        if not self.k or min(self.k) < 1:
            raise MetricError(
                f"pass_at_k: k must be whole numbers of answers, at least 1; got {list(self.k)}"
            )
        if not timeout > 0 or memory < 1:
            raise MetricError("pass_at_k: timeout (seconds) and memory (megabytes) must be more than 0")
        check_choice("pass_at_k", "preamble", preamble, PREAMBLES)
        check_choice("pass_at_k", "sandbox", sandbox, KINDS)
        self.test, self.entry_point, self.setup, self.header = test, entry_point, setup, header
        self.preamble = preamble
        self.timeout, self.memory, self.sandbox = timeout, memory, sandbox
        self.names = tuple(f"pass@{one}" for one in self.k)
        self._runner = Sandbox(isolation_of(sandbox), Limits(seconds=timeout, memory=memory))
        self._verdicts: dict[str, Verdict] = {}

    @property
    def least_trials(self) -> int:
        """Answers that a sample needs for the largest k."""
        return max(self.k)

    @property
    def signature(self) -> str:
        """For example `estimator:unbiased|preamble:imports|timeout:10|memory:512|sandbox:bubblewrap|…`."""
        options: dict[str, Any] = {
            "estimator": "unbiased",
            "preamble": self.preamble,
            "timeout": f"{self.timeout:g}",
        }
        options |= {"memory": self.memory, "sandbox": self.sandbox}
        if self.header:
            options["header"] = " ".join(self.header.split("\n"))
        return options_text({**options, "version": "python{}.{}.{}".format(*sys.version_info)})

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 2): passed, count. A program that comes twice is run once."""
        self._runner.check()
        jobs = [
            self._job(generation, sample) for generation, sample in zip(generations, samples, strict=True)
        ]
        new = {job.hash: job for job in jobs if job is not None and job.hash not in self._verdicts}
        verdicts = self._runner.run(list(new.values()))
        self._verdicts.update(zip(new, verdicts, strict=True))
        return np.array(
            [[float(job is not None and self._verdicts[job.hash].passed), 1.0] for job in jobs]
        ).reshape(-1, 2)

    def combine(self, trials: FloatArray) -> FloatArray:
        """Add up a sample's trials: how many passed, how many there are."""
        return np.asarray(trials.sum(axis=0), dtype=np.float64)

    def aggregate(self, statistics: FloatArray, weights: FloatArray) -> FloatArray:
        """Return (r, len(k)): the weighted mean of the samples' estimates, NaN where none has k answers."""
        correct, trials = statistics[:, 0], statistics[:, 1]
        values = []
        for k in self.k:
            has = trials >= k
            estimates = np.where(has, pass_at_k(correct, np.maximum(trials, k), k), 0.0)
            with np.errstate(divide="ignore", invalid="ignore"):
                values.append((weights @ estimates) / (weights @ has.astype(np.float64)))
        return np.stack(values, axis=1)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """None of its answers, or all of them."""
        n = float(self.least_trials)
        return np.array([0.0, n]), np.array([n, n])

    def explain(self, generation: Generation, sample: Sample) -> str | None:
        """Say why a program did not pass; runs it again where this process has not, and only in a sandbox."""
        job = self._job(generation, sample)
        if job is None:
            return f"no program ({generation.unparsed})"
        if job.hash not in self._verdicts:
            if self.sandbox == NONE:
                return None
            try:
                self._runner.check()
            except SandboxError:
                return None
            self._verdicts[job.hash] = self._runner.run([job])[0]
        verdict = self._verdicts[job.hash]
        return "passed its test" if verdict.passed else f"did not pass: {verdict.reason}"

    def _job(self, generation: Generation, sample: Sample) -> Job | None:
        test = self._test(sample)
        if generation.text is None:
            return None
        prompt, entry_point = sample.input.get("prompt"), self._column(sample, self.entry_point)
        setup = _statements(self._column(sample, self.setup)) if self.setup else ""
        preamble, program = program_of(prompt, generation.text, entry_point, self.preamble)
        return Job(
            program=program,
            test=test,
            before=_lines(self.header, setup, preamble),
            imports=_lines(setup, _preamble(_opened(prompt), "imports")),
            entry_point=entry_point,
            check=_check_of(test) if entry_point else None,
        )

    def _test(self, sample: Sample) -> str:
        test = _statements(self._column(sample, self.test))
        if not test.strip():
            raise MetricError(
                f'pass_at_k: sample {sample.id} has no column "{self.test}" with a test to run; '
                "name it with metrics.pass_at_k.test=<column>"
            )
        if _parsed(test) is None:
            raise MetricError(f"pass_at_k: the test of sample {sample.id} is no Python; repair the data")
        return test

    def _column(self, sample: Sample, name: str) -> Any:
        return sample.input.get(name, sample.metadata.get(name))


def pass_at_k(correct: FloatArray, trials: FloatArray, k: int) -> FloatArray:
    """Return (n,) unbiased estimates for c of n answers right: 1 - C(n - c, k) / C(n, k), n >= k.

    As a product, 1 - Π (1 - k / i) for i from n - c + 1 to n: no binomial overflows (Chen et al. 2021).
    """
    estimates = np.ones(len(trials))
    for place, (right, n) in enumerate(zip(correct, trials, strict=True)):
        if n - right >= k:
            estimates[place] = 1.0 - np.prod(1.0 - k / np.arange(n - right + 1, n + 1))
    return estimates


def program_of(prompt: Any, code: str, entry_point: str | None, which: str) -> tuple[str, str]:
    """Return what is executed first, and the program that an answer stands for: itself, or a completion's.

    An answer that defines the function is a whole program, and comes after `which` part of the prompt's
    preamble. Any other is a completion: indented where it is not, and cut where it leaves the function,
    if that makes it Python.
    """
    tree = _opened(prompt)
    if tree is None:
        return "", code
    if entry_point in _defined(code):
        return _preamble(tree, which), code
    joined = prompt if prompt.endswith("\n") else f"{prompt}\n"
    beyond = _BEYOND.search(code, 1)
    tries = [code, code[: beyond.start()] if beyond else code]
    if code[:1] not in (" ", "\t"):  # all of it without its indentation, or its first line alone
        indented = "\n".join(f"{INDENT}{line}" if line.strip() else line for line in code.splitlines())
        tries = [indented, INDENT + code, *tries]
    return "", next((joined + one for one in tries if _parsed(joined + one) is not None), joined + code)


def _parsed(code: str) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of invalid escapes in a model's code
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _defined(code: str) -> set[str]:
    """Return the functions, classes and plain names that a program defines at its top level."""
    tree = _parsed(code)
    names: set[str] = set()
    for one in tree.body if tree else ():
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(one.name)
        elif isinstance(one, ast.Assign):
            names.update(target.id for target in one.targets if isinstance(target, ast.Name))
    return names


def _opened(prompt: Any) -> ast.Module | None:
    """Return a prompt that is the beginning of a program; None for prose."""
    tree = _parsed(f"{prompt}\n{INDENT}pass\n") if isinstance(prompt, str) else None
    return tree if tree is not None and tree.body else None


def _preamble(tree: ast.Module | None, which: str) -> str:
    """Return what a prompt has before its function: its imports, all of it, or nothing."""
    kinds = {"imports": (ast.Import, ast.ImportFrom), "all": (ast.stmt,), "none": ()}[which]
    return "\n".join(ast.unparse(one) for one in (tree.body[:-1] if tree else ()) if isinstance(one, kinds))


def _check_of(test: str) -> str | None:
    """Return `check` when the test defines it and leaves calling it to the harness, as HumanEval does."""
    tree = _parsed(test)
    body = tree.body if tree else []
    called = any(
        isinstance(one, ast.Expr)
        and isinstance(one.value, ast.Call)
        and isinstance(one.value.func, ast.Name)
        and one.value.func.id == "check"
        for one in body
    )
    return "check" if not called and "check" in _defined(test) else None


def _statements(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "\n".join(map(str, value))
    return "" if value is None else str(value)


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
