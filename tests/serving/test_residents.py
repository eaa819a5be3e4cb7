"""Which adapters stay in a model: those that are held, and of the others the latest used."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from ossicle.errors import AdapterFileError
from ossicle.serving.refusal import Refusal
from ossicle.serving.residents import Residents


class Model:
    """A model that only remembers what is in it, by key."""

    def __init__(self, most: int) -> None:
        self.here: dict[str, Any] = {}
        self.loads = 0
        self.residents = Residents(most, self.load, self.unload)
        self.most = most

    def load(self, key: str, unit: Any) -> None:
        if unit.source.name == "damaged":
            raise AdapterFileError("it is damaged")
        self.loads += 1
        self.here[key] = unit
        assert len(self.here) <= self.most

    def unload(self, key: str) -> None:
        del self.here[key]

    def use(self, *units: Any) -> None:
        with self.residents.holding(units, 5) as keys:
            assert [self.here[key] for key in keys] == list(units)

    def names(self) -> set[str]:
        return {unit.source.name for unit in self.here.values()}


class Unit:
    def __init__(self, name: str) -> None:
        self.source = SimpleNamespace(name=name)
        self.is_served = True


def units(names: str) -> list[Any]:
    return [Unit(name) for name in names]


def test_the_least_recently_used_leaves() -> None:
    model, (a, b, c) = Model(2), units("abc")
    model.use(a)
    model.use(b)
    model.use(a)
    model.use(c)
    assert (model.names(), model.loads) == ({"a", "c"}, 3)
    model.use(b, a, b)
    assert (model.names(), model.loads) == ({"a", "b"}, 4)


def test_what_is_held_stays_and_others_wait_for_a_place() -> None:
    model, (a, b, c) = Model(2), units("abc")
    with model.residents.holding([a], 5):
        model.use(b)
        model.use(c)  # in the place of b, although a was used before it
        assert model.names() == {"a", "c"}
        with (
            pytest.raises(Refusal, match="all 2 places"),
            model.residents.holding([b, c], 0.01),
        ):
            pass
        pool = ThreadPoolExecutor(1)
        waiting = pool.submit(model.use, b, c)
        with pytest.raises(TimeoutError):
            waiting.result(0.05)
    waiting.result(5)
    pool.shutdown()
    assert model.names() == {"b", "c"}


def test_what_is_not_served_any_more_leaves_once_it_is_free() -> None:
    model, (a, b) = Model(3), units("ab")
    model.use(a, b)
    with model.residents.holding([a], 5):
        for unit in (a, b):
            unit.is_served = False
            model.residents.forget(unit)
        assert model.names() == {"a"}
    assert (model.names(), len(model.residents)) == (set(), 0)


def test_an_adapter_that_cannot_be_loaded_takes_no_place() -> None:
    model, a, bad = Model(2), Unit("a"), Unit("damaged")
    for _ in range(3):
        with pytest.raises(AdapterFileError):
            model.use(bad)
    model.use(a)
    assert (model.names(), len(model.residents), a in model.residents) == ({"a"}, 1, True)


def test_many_threads_never_exceed_the_places() -> None:
    model, every = Model(3), units("abcdefgh")

    def use_some(start: int) -> None:
        for turn in range(50):
            first = (start * 7 + turn * 3) % len(every)
            model.use(*(every[(first + step) % len(every)] for step in range(1 + turn % 3)))

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(use_some, start) for start in range(6)]:
            done.result(20)
    assert len(model.here) <= 3
