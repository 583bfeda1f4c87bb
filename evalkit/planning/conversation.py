"""Conversations looked ahead: what would be asked if the answers that are not there yet were as expected."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalkit.records import Outcome, Response, acceptable
from evalkit.tokens import answer_limit

if TYPE_CHECKING:
    from evalkit.cache.base import Cache
    from evalkit.client.base import Model
    from evalkit.executors.base import Job
    from evalkit.planning.history import Answers
    from evalkit.records import Sample
    from evalkit.task import Task

USUAL = 100  # tokens of a reply of which nothing is known
WORD = "word "  # one token in OpenAI's vocabularies


@dataclass
class Ahead:
    """All questions of a run; `later` has the keys of those that rest on a made-up reply, and their turns."""

    jobs: list[Job] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    later: dict[str, int] = field(default_factory=dict)


def ahead(
    task: Task, model: Model, jobs: Sequence[Job], cache: Cache | None, earlier: Answers | None
) -> Ahead:
    """Follow every conversation to its end, by its answers in the cache and made-up ones after them.

    A made-up reply is the reference where the turn has one, else as long as replies were in an earlier run.
    A turn that depends on it takes the way that this text leads to.
    """
    from evalkit.asking import following
    from evalkit.outcomes import Outcomes
    from evalkit.runner import from_cache

    found = Ahead()
    answers = Outcomes()
    samples = {one.id: one for one in task.dataset.samples}
    waiting, turn = list(jobs), 0
    open_places: set[int] = set()
    while waiting:
        cached = {} if cache is None else from_cache(waiting, model, cache)
        found.jobs += waiting
        found.kept |= {one.request_key for one in cached.values()}
        if task.prompt.turns is None:
            break
        for job in waiting:
            if job.place in open_places:
                found.later[job.request.key] = turn
            for place, trial in zip(job.places, job.trials, strict=True):
                outcome = cached.get(place)
                if outcome is None:
                    open_places.add(place)
                    text = _stand_in(samples[job.sample_id], turn, job, earlier)
                    outcome = Outcome(job.sample_id, trial, job.request.key, response=Response(text))
                answers.put(place, outcome)
        places = [place for job in waiting for place in job.places]
        waiting, turn = list(following(task, model, places, answers)), turn + 1
    return found


def longer_most(jobs: Collection[Job], later: Mapping[str, int], most: int | None) -> int:
    """Return the prompt tokens by which made-up replies may fall short of the longest that are allowed.

    `most` is what the model can write where a request sets no limit.
    """
    return sum(later.get(job.request.key, 0) * (answer_limit(job.request.body) or most or 0) for job in jobs)


def _stand_in(sample: Sample, turn: int, job: Job, earlier: Answers | None) -> str:
    """Return the text that stands for a reply."""
    target = sample.target
    told = acceptable(target[turn]) if isinstance(target, list) and turn < len(target) > 1 else ()
    if told:
        return told[0]
    limit = answer_limit(job.request.body)
    usual = min(USUAL, limit // 2) if limit else USUAL
    length = usual if earlier is None else earlier.completion.get(sample.id, earlier.mean)
    return (WORD * max(1, round(length))).rstrip()
