"""Outputs that some other system produced, read from a file and scored like any model's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.client.base import Prices, Reply
from evalkit.datasets.base import FieldMap, Source, identify, required
from evalkit.errors import ModelError, RequestError
from evalkit.records import Question, Request, Response, Sample, text_of
from evalkit.spool import SHORT, Places, Spool

NAMED = 5  # ids spelled out in a message


class RecordedModel:
    """Answers come from column `output` (a dotted path reaches into objects), found by sample id.

    `partial` allows outputs without a sample: with dataset.limit the file may hold the whole dataset's.
    With several `trials` every output must be a list of that many texts: one text is no second draw. With
    `turns` each of them is a list of the replies in a conversation.
    """

    needs_prompt = False
    cacheable = False  # reading the file again is cheaper, and its content may change
    prices: Prices | None = None

    def __init__(  # noqa: PLR0913 - one argument per setting of a model config
        self,
        source: Source,
        *,
        output: str,
        id_column: str | None = None,
        name: str = "recorded",
        partial: bool = False,
        trials: int = 1,
        turns: bool = False,
    ) -> None:
        self.name = name
        self._source = source.name
        self._output = output
        self._partial = partial
        self._trials, self._turns = trials, turns
        self._ids, self._outputs = _Ids(), Spool[Any]()
        for row, identifier in identify(source, FieldMap(id=id_column)):
            self._ids.add(identifier)
            self._outputs.append(required(row, source.name, output, "model.output"))

    @property
    def identity(self) -> str:
        """The column: the outputs themselves are in the report."""
        return f"recorded:{self._output}"

    @property
    def settings(self) -> Mapping[str, Any]:
        """What was read."""
        return {"output": self._output}

    def check(self, samples: Sequence[Sample]) -> None:
        """Every sample has an output and every output a sample, or ModelError counts and names them."""
        wanted = bytearray(len(self._ids))
        missing: list[str] = []
        for sample in samples:
            place = self._ids.find(sample.id)
            if place is None:
                missing.append(sample.id)
            else:
                wanted[place] = True
        extra = [] if self._partial else [self._ids[place] for place, one in enumerate(wanted) if not one]
        if missing or extra:
            found = [
                f"{len(some)} {what} ({', '.join(some[:NAMED])}{', …' if len(some) > NAMED else ''})"
                for some, what in (
                    (missing, "samples without an output"),
                    (extra, "outputs without a sample"),
                )
                if some
            ]
            raise ModelError(
                f"{self._source}: {' and '.join(found)}; the ids must be those of the dataset: "
                "set model.id=<column> (and dataset.id=<column>), or use matching files"
            )
        if self._trials > 1:
            self._check_trials()

    def request(
        self,
        sample: Sample,
        question: Question,
        trial: int,
    ) -> Request:
        """Return a request that names the sample."""
        place = self._ids.find(sample.id)
        output = None if place is None else self._outputs[place]
        if self._trials > 1 and isinstance(output, list):
            output = output[trial]
        if self._turns:
            output = self._reply(sample, output, question.turn)
        # The output is part of the key: two files with the same column are not the same answers.
        return Request(self.identity, "recorded", {"id": sample.id, "output": output}, trial)

    def parse(self, request: Request, body: bytes, choice: int = 0) -> Response:  # noqa: ARG002
        """Return the recorded text; a null is a failure, an empty string an empty answer."""
        value = json.loads(body)
        if value is None:
            raise RequestError("no_output", f"the recorded output in {self._output} is null")
        return Response(text=text_of(value), model=self.name)

    async def send(self, request: Request) -> Reply:
        """Look the output up."""
        # Not orjson: recorded texts may hold lone surrogates and long integers.
        return Reply(json.dumps(request.body["output"]).encode("ascii"), 0.0)

    async def close(self) -> None:
        """Nothing is open."""

    def _reply(self, sample: Sample, replies: Any, turn: int) -> Any:
        """Return the recorded reply of a turn."""
        if not isinstance(replies, list) or turn >= len(replies):
            raise ModelError(
                f'{self._source}: sample "{sample.id}" has {turn + 1} or more turns, and its output is '
                f"{f'a list of {len(replies)}' if isinstance(replies, list) else 'no list'}; record a list "
                "with a reply for each turn"
            )
        return replies[turn]

    def _check_trials(self) -> None:
        for place, output in enumerate(self._outputs):
            if not isinstance(output, list) or len(output) < self._trials:
                there = len(output) if isinstance(output, list) else "one text"
                raise ModelError(
                    f"{self._source}: trials={self._trials} needs a list of {self._trials} outputs for each "
                    f'sample, "{self._ids[place]}" has {there}; '
                    "set trials=1, or record more"
                )


class _Ids:
    """Ids in the order of the file, each of them once.

    Samples mostly stand in the same order; a table of all is made only where they do not.
    """

    def __init__(self) -> None:
        self._names: Spool[str] = Spool(held=SHORT)
        self._table: Places | None = None
        self._last = 0

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, place: int) -> str:
        return self._names[place]

    def add(self, name: str) -> None:
        """Give an id the next place."""
        self._names.append(name)

    def find(self, name: str) -> int | None:
        """Return an id's place; None for one that is not there."""
        if self._table is not None:
            return self._table.find(name)
        for place in (self._last, self._last + 1, 0):
            if place < len(self._names) and self._names[place] == name:
                self._last = place
                return place
        self._table = Places()
        for one in self._names:
            self._table.add(one)
        return self._table.find(name)
