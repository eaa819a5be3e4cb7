"""Rows of all requests in batches: one thread for each backbone, which alone runs its model.

    requests   a: row 0, adapter x      waiting rows      one pass of the model
               b: row 1, adapter y   -> sorted by age  -> the oldest row, and others of about its
               c: row 2, adapter x      and length        length, up to `max_rows`

A row waits for others at most `max_wait_s` after it came; while a batch runs, further rows come
together by themselves. Adapters are loaded and removed between two batches, by `call`. If a batch
fails, each of its requests is run by itself, so that only the guilty one fails.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

from torch import Tensor

from ossicle.frozen.cut import Row
from ossicle.inference.adapter_group import Request
from ossicle.serving.refusal import unavailable
from ossicle.writing import Text

LENGTHS: Final = 1.5  # longest row of a batch by its oldest, and that by its shortest
Run = Callable[[Sequence[Row], Sequence[Request], Sequence[Text]], list[Tensor]]
CLOSING_S: Final = 10.0
Reads = Literal["output", "embedding"]
T = TypeVar("T")


@dataclass
class Asked:
    """A row that waits, and the adapters that it is for.

    Attributes:
        row: The row.
        names: Names of adapters in the model.
        text: What is written about the row.
        reads: What is read of each adapter: the output of its head, or the embedding.
        came_s: When it came, by `time.perf_counter`.
        begun_s: When its batch began.
        done_s: When its batch ended.
        found: The output of each adapter.
    """

    row: Row
    names: tuple[str, ...]
    text: Text
    reads: Reads = "output"
    came_s: float = field(default_factory=time.perf_counter)
    begun_s: float = 0.0
    done_s: float = 0.0
    found: "Future[list[Tensor]]" = field(default_factory=Future)


class Batcher:
    """The thread that runs a model on the rows of all requests."""

    def __init__(
        self,
        name: str,
        run: Run,
        *,
        max_rows: int,
        max_wait_s: float,
        observe: Callable[[Sequence[Asked]], None] | None = None,
    ) -> None:
        """Start the thread.

        Args:
            name: Its name.
            run: Returns the output of each request, as `AdapterBank.run` does.
            max_rows: Most requests of a batch, each a row with one adapter; a row for more
                adapters than that is a batch of its own.
            max_wait_s: Longest time that a row waits for others.
            observe: Called after each batch, with its rows.
        """
        self._run, self._max_rows, self._max_wait_s = run, max_rows, max_wait_s
        self._observe = observe
        self._changed = threading.Condition()
        self._waiting: list[Asked] = []
        self._jobs: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"batches {name}", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Return the number of rows that wait."""
        return len(self._waiting)

    def submit(self, row: Row, names: Sequence[str], text: Text, reads: Reads = "output") -> Asked:
        """Let a row wait for its batch.

        Raises:
            Refusal: the adapters have left with their backbone.
        """
        asked = Asked(row, tuple(names), text, reads)
        with self._changed:
            if self._closed:
                raise unavailable("the adapter was removed while this request waited for it")
            self._waiting.append(asked)
            self._changed.notify()
        return asked

    def call(self, job: Callable[[], T]) -> T:
        """Run a function in the thread, between two batches, and return its result.

        Raises:
            Refusal: the thread has ended.
        """
        done: Future[T] = Future()
        with self._changed:
            if self._closed:
                raise unavailable("the adapter was removed while this request waited for it")
            self._jobs.append((job, done))
            self._changed.notify()
        return done.result()

    def close(self) -> None:
        """Let the thread finish what waits and end; wait for that, though not for ever."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(CLOSING_S)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._waiting or self._closed)
                if not (self._jobs or self._waiting):
                    return
                job = self._jobs.pop(0) if self._jobs else None
                batch = [] if job else self._next_batch()
            if job is not None:
                _settle(job[1], job[0])
            elif batch:
                self._pass(batch)

    def _next_batch(self) -> list[Asked]:
        """Return the rows of the next batch; none if there is a job to do first."""
        ends = self._waiting[0].came_s + self._max_wait_s
        while self._size(self._waiting) < self._max_rows and not self._closed:
            left = ends - time.perf_counter()
            if left <= 0 or not self._changed.wait(left):
                break
            if self._jobs:
                return []
        chosen = self._chosen()
        taken = {id(one) for one in chosen}
        self._waiting = [one for one in self._waiting if id(one) not in taken]
        return [one for one in chosen if one.found.set_running_or_notify_cancel()]

    def _chosen(self) -> list[Asked]:
        """Return the oldest row, and those of about its length, the nearest first."""
        oldest, *others = self._waiting
        length = max(1, oldest.row[1])
        near = [one for one in others if 1 / LENGTHS <= one.row[1] / length <= LENGTHS]
        near.sort(key=lambda one: abs(one.row[1] - length))
        chosen, size = [oldest], len(oldest.names)
        for one in near:
            size += len(one.names)
            if size > self._max_rows:
                break
            chosen.append(one)
        return chosen

    @staticmethod
    def _size(rows: Sequence[Asked]) -> int:
        return sum(len(one.names) for one in rows)

    def _pass(self, batch: Sequence[Asked]) -> None:
        """Run a batch; if it fails, each row by itself."""
        begun_s = time.perf_counter()
        for one in batch:
            one.begun_s = begun_s
        try:
            found = self._outputs(batch)
        except Exception as error:
            if len(batch) == 1:
                batch[0].done_s = time.perf_counter()
                batch[0].found.set_exception(error)
                return
            for one in batch:
                self._pass([one])
            return
        done_s = time.perf_counter()
        for one, outputs in zip(batch, found, strict=True):
            one.done_s = done_s
            one.found.set_result(outputs)
        if self._observe is not None:
            self._observe(batch)

    def _outputs(self, batch: Sequence[Asked]) -> list[list[Tensor]]:
        """Return the output of each adapter, for each row."""
        requests = [
            Request(number, name, one.reads)
            for number, one in enumerate(batch)
            for name in one.names
        ]
        made = iter(self._run([one.row for one in batch], requests, [one.text for one in batch]))
        return [[next(made).cpu() for _ in one.names] for one in batch]


def _settle(done: "Future[T]", job: Callable[[], T]) -> None:
    """Run a job and give its result, or its error, to who waits for it."""
    try:
        done.set_result(job())
    except Exception as error:
        done.set_exception(error)
