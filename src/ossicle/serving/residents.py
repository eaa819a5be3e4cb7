"""Which adapters are in a model now: loaded on demand, the least recently used leave for others.

A request holds the adapters that its rows name, from before they wait until they are done. What is
held does not leave; if all places are held, the next request waits for one.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

from ossicle.serving.catalogue import Unit
from ossicle.serving.refusal import unavailable


@dataclass
class _Place:
    """A place in the model.

    Attributes:
        key: The name in the model, never used again.
        held: Number of requests that hold it.
        loaded: Done when it is loaded.
    """

    key: str
    held: int = 0
    loaded: "Future[None]" = field(default_factory=Future)


class Residents:
    """The adapters that are in a model."""

    def __init__(
        self, most: int, load: Callable[[str, Unit], None], unload: Callable[[str], None]
    ) -> None:
        """Start with none.

        Args:
            most: Most adapters in the model.
            load: Puts an adapter into the model under a key.
            unload: Takes it out again.
        """
        self.most = most
        self._load, self._unload = load, unload
        self._changed = threading.Condition()
        self._places: dict[Unit, _Place] = {}  # the least recently used first
        self._count = 0

    def __contains__(self, unit: Unit) -> bool:
        return unit in self._places

    def __len__(self) -> int:
        return len(self._places)

    @contextmanager
    def holding(self, units: Sequence[Unit], max_wait_s: float) -> Iterator[list[str]]:
        """Hold adapters, at most as many as there are places, and give their keys.

        Args:
            units: The adapters; one may be there several times.
            max_wait_s: Longest time to wait for places.

        Raises:
            Refusal: there was no place for them in that time.
            OssicleError: one of them cannot be loaded.
        """
        ends_s = time.monotonic() + max_wait_s
        with self._changed:
            each = list(dict.fromkeys(units))
            if not self._changed.wait_for(lambda: self._has_room(each), max_wait_s):
                raise unavailable(
                    f"all {self.most} places for adapters were in use for {max_wait_s:g} s; try "
                    "again, or serve with a higher --max-resident"
                )
            leaving, new = self._take(each)
            places = {unit: self._places[unit] for unit in each}
        try:
            for key in leaving:
                self._unload(key)
            for unit in new:
                self._fill(unit)
            self._wait_loaded(places.values(), ends_s)
            yield [places[unit].key for unit in units]
        finally:
            self._release(places)

    def forget(self, unit: Unit) -> None:
        """Let an adapter leave: now, or once no request holds it."""
        with self._changed:
            place = self._places.get(unit)
            if place is None or place.held:
                return
            del self._places[unit]
            self._changed.notify_all()
        self._unload(place.key)

    @staticmethod
    def _wait_loaded(places: Iterable[_Place], ends_s: float) -> None:
        """Wait until adapters are loaded, by this request or by another one."""
        try:
            for place in places:
                place.loaded.result(max(0.0, ends_s - time.monotonic()))
        except TimeoutError as error:
            raise unavailable("an adapter could not be loaded in time; try again") from error

    def _has_room(self, units: Sequence[Unit]) -> bool:
        kept = sum(place.held > 0 or unit in units for unit, place in self._places.items())
        return kept + sum(unit not in self._places for unit in units) <= self.most

    def _take(self, units: Sequence[Unit]) -> tuple[list[str], list[Unit]]:
        """Hold adapters; return the keys of those that leave for them, and the new ones."""
        new = [unit for unit in units if unit not in self._places]
        surplus = len(self._places) + len(new) - self.most
        idle = [one for one, place in self._places.items() if not place.held and one not in units]
        leaving = [self._places.pop(unit).key for unit in idle[: max(0, surplus)]]
        for unit in units:
            place = self._places.pop(unit, None)
            if place is None:
                self._count += 1
                place = _Place(f"{unit.source.name}#{self._count}")
            place.held += 1
            self._places[unit] = place  # the most recently used last
        return leaving, new

    def _fill(self, unit: Unit) -> None:
        """Load an adapter that has a place; without success, it has none any more."""
        place = self._places[unit]
        try:
            self._load(place.key, unit)
        except Exception as error:
            with self._changed:
                del self._places[unit]
                self._changed.notify_all()
            place.loaded.set_exception(error)
        else:
            place.loaded.set_result(None)

    def _release(self, places: Mapping[Unit, _Place]) -> None:
        """End a hold; adapters that are not served any more leave."""
        leaving = []
        with self._changed:
            for unit, place in places.items():
                place.held -= 1
                is_here = self._places.get(unit) is place
                if is_here and not place.held and not unit.is_served:
                    del self._places[unit]
                    leaving.append(place.key)
            self._changed.notify_all()
        for key in leaving:
            self._unload(key)
