"""What one run of the process asks, another does not ask too."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fake_openai import FakeOpenAI, Fault, FaultPlan
from runs import KEY, KEY_ENV, executor, failure_kinds, model_at, numbered, texts

from evalkit.cache import flight
from evalkit.cache.base import Mode
from evalkit.cache.sqlite import SqliteCache
from evalkit.errors import RunStopped
from evalkit.runner import Collected, collect
from evalkit.task import Task

PLACE = Path("/somewhere/cache.sqlite")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENV, KEY)


def test_a_key_is_claimed_once_until_it_has_landed() -> None:
    with flight.claim(PLACE, ["a", "b"]) as first:
        with flight.claim(PLACE, ["b", "c"]) as second:
            assert (set(first.keys), set(second.keys)) == ({"a", "b"}, {"c"})
        first.land("b")
        with flight.claim(PLACE, ["a", "b"]) as third:
            assert set(third.keys) == {"b"}
            first.land("b")  # no longer the first's to land
            with flight.claim(PLACE, ["b"]) as fourth:
                assert not fourth.keys
    with flight.claim(PLACE, ["a", "b", "c"]) as last:
        assert set(last.keys) == {"a", "b", "c"}


def test_another_cache_file_is_another_flight() -> None:
    with flight.claim(PLACE, ["a"]), flight.claim(PLACE.with_name("other"), ["a"]) as other:
        assert set(other.keys) == {"a"}


@pytest.mark.parametrize("lands", [True, False])
def test_waiting_ends_when_the_request_lands_and_when_its_run_ends_without(*, lands: bool) -> None:
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        flight.wait(PLACE, ["a", "never asked"])

    with ThreadPoolExecutor(1) as pool:
        with flight.claim(PLACE, ["a"]) as mine:
            done = pool.submit(wait)
            assert begun.wait(10)
            if lands:
                mine.land("a")
                done.result(10)
        done.result(10)


def ask(server: FakeOpenAI, path: Path, task: Task) -> Collected:
    cache = SqliteCache(path)
    try:
        return collect(task, model_at(server), executor(4), cache, mode=Mode.RW)
    finally:
        cache.close()


def test_the_same_thousand_requests_of_two_tasks_at_once_are_asked_once(path: Path) -> None:
    task = numbered(1000)
    with FakeOpenAI() as server, ThreadPoolExecutor(2) as pool:
        with server.hold():  # both runs have begun before the first answer comes
            runs = [pool.submit(ask, server, path, task) for _ in range(2)]
            server.wait(received=4)
        first, second = (run.result(120) for run in runs)
        assert server.count == 1000
    assert texts(first) == texts(second)
    counts = sorted(sum(one.cached for one in run.outcomes) for run in (first, second))
    assert sum(counts) == 1000


def test_a_run_that_overlaps_asks_what_is_its_own(path: Path) -> None:
    with FakeOpenAI() as server, ThreadPoolExecutor(2) as pool:
        with server.hold():
            runs = [pool.submit(ask, server, path, numbered(n)) for n in (60, 100)]
            server.wait(received=4)
        assert [len(texts(run.result(60))) for run in runs] == [60, 100]
        assert server.count == 100


def test_what_failed_for_one_run_is_asked_again_by_the_other(path: Path) -> None:
    """Each run asks for itself what the other got no answer to: a failure is not shared."""
    refused = FaultPlan.matching("question 3", Fault.status(422), always=True)
    with FakeOpenAI(faults=refused) as server, ThreadPoolExecutor(2) as pool:
        with server.hold():
            runs = [pool.submit(ask, server, path, numbered(5)) for _ in range(2)]
            server.wait(received=4)
        kinds = [failure_kinds(run.result(60)) for run in runs]
        assert server.count == 6
    assert [[kind is None for kind in one] for one in kinds] == [[True, True, True, False, True]] * 2


def test_a_run_that_stops_lets_the_other_go_on(path: Path) -> None:
    with FakeOpenAI(faults=FaultPlan.attempts(Fault.status(401))) as server:
        with pytest.raises(RunStopped):
            ask(server, path, numbered(1))
        assert len(texts(ask(server, path, numbered(1)))) == 1
