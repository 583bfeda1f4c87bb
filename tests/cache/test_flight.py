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
    with flight.claim(PLACE, 0) as first:
        assert first.take(["a", "b"]) == {"a", "b"}
        with flight.claim(PLACE, 0) as second:
            assert second.take(["b", "c"]) == {"c"}
        first.land("b")
        with flight.claim(PLACE, 0) as third:
            assert third.take(["a", "b"]) == {"b"}
            first.land("b")  # no longer the first's to land
            with flight.claim(PLACE, 0) as fourth:
                assert fourth.take(["b"]) == set()
    with flight.claim(PLACE, 0) as last:
        assert last.take(["a", "b", "c"]) == {"a", "b", "c"}


def test_a_look_is_stale_once_another_run_has_had_an_outcome() -> None:
    since = flight.landings(PLACE)
    with flight.claim(PLACE, since) as mine, flight.claim(PLACE, since) as other:
        mine.take(["a"])
        mine.land("a")
        assert (mine.stale, other.stale) == (False, True)
    with flight.claim(PLACE, flight.landings(PLACE)) as later:
        assert not later.stale


def test_another_cache_file_is_another_flight() -> None:
    with flight.claim(PLACE, 0) as one, flight.claim(PLACE.with_name("other"), 0) as other:
        one.take(["a"])
        assert other.take(["a"]) == {"a"}


@pytest.mark.parametrize("lands", [True, False])
def test_waiting_ends_when_the_request_lands_and_when_its_run_ends_without(*, lands: bool) -> None:
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        flight.wait(PLACE, ["a", "never asked"])

    with ThreadPoolExecutor(1) as pool:
        with flight.claim(PLACE, 0) as mine:
            mine.take(["a"])
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
