"""What is asked: the first question of every sample and trial, and those that follow on the answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from evalkit.client.base import Model
from evalkit.executors.base import Job
from evalkit.records import Outcome, Question, Sample, content_hash
from evalkit.task import Task


class Answered(Protocol):
    """Outcomes by place."""

    def __getitem__(self, place: int, /) -> Outcome:
        """Return the outcome at a place."""
        ...


def jobs_of(task: Task, model: Model, trials: int) -> Iterator[Job]:
    """Yield what is asked of every sample and trial, in dataset order; conversations begin."""
    place = 0
    for sample in task.dataset.samples:
        trial = 0
        while trial < trials:
            asked = task.asked(sample, trial)
            question = task.prompt.ask(asked) if model.needs_prompt or task.prompt.turns else Question()
            assert question is not None  # a conversation begins with a question
            job = _job(model, asked, question, trial, place)
            yield job
            trial += job.request.choices
            place += job.request.choices


def following(task: Task, model: Model, places: Iterable[int], answered: Answered) -> Iterator[Job]:
    """Yield the questions that follow on the outcomes at these places, the latest of each conversation."""
    if task.prompt.turns is None:
        return
    samples: Mapping[str, Sample] = {one.id: one for one in task.dataset.samples}
    for place in places:
        outcome = answered[place]
        if outcome.response is None:
            continue
        sample = task.asked(samples[outcome.sample_id], outcome.trial)
        replies = [one.response.text for one in outcome.turns if one.response is not None]
        question = task.prompt.ask(sample, replies)
        if question is not None:
            yield _job(model, sample, question, outcome.trial, place)


def _job(model: Model, asked: Sample, question: Question, trial: int, place: int) -> Job:
    hashed = content_hash([dict(one) for one in question.messages]) if model.needs_prompt else None
    return Job(asked.id, trial, model.request(asked, question, trial), hashed, place)
