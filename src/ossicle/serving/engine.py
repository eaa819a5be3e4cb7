"""The engine of a server: a recording and names of adapters in, decoded answers out.

The HTTP application and the replicas of a cluster both call it.
"""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from ossicle.data.decode import Wave
from ossicle.errors import OssicleError, RunError, ServeError
from ossicle.serving.batcher import Asked as Row
from ossicle.serving.catalogue import Catalogue, Entry, read_entry
from ossicle.serving.client import CLIENT, Client, client
from ossicle.serving.decoding import Decoder, DecodingLimits
from ossicle.serving.hearing import Hearing
from ossicle.serving.hosts import Hosts
from ossicle.serving.measures import Measures, Pace
from ossicle.serving.refusal import busy, invalid, unavailable
from ossicle.serving.settings import ServeSettings
from ossicle.serving.voting import joined
from ossicle.writing import Text

T = TypeVar("T")
ENSEMBLE: Final = "ensemble"  # the name of the answer of a vote
EXPECTED: Final = 0.6  # share of the longest time for an answer; the rest: batches, long recordings
LATEST_S: Final = 60  # in Retry-After
NONE: Final[Mapping[str, Path | str]] = {}
_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A recording and what is asked about it.

    Attributes:
        audio: The content of its file.
        file: The name that the client gives it; None: it gives none.
        adapters: Names of adapters; none: the only one there is.
        prompt: What was asked or said before, for a task that writes text.
        timestamps: Whether texts get segments with times.
        abstain: Give no label where the confidence is below this; None: always give one.
        vote: How the adapters decide together; None: they do not.
    """

    audio: bytes
    file: str | None = None
    adapters: tuple[str, ...] = ()
    prompt: str = ""
    timestamps: bool = False
    abstain: float | None = None
    vote: str | None = None


class Engine:
    """Adapters in use.

    Attributes:
        settings: The limits.
        catalogue: The adapters that are served.
        hosts: The backbones in memory.
        decoder: The processes that decode recordings.
        measures: What `/metrics` shows.
        pace: How long the models compute for an answer.
        state: `loading` at first, then `ready`, and `draining` once it was told to stop.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.catalogue = Catalogue(settings.max_adapters)
        self.measures = Measures()
        self.pace = Pace()
        self.hosts = Hosts(settings, self._observe)
        self.measures.gauge("queue_rows", "Rows that wait for a batch.", self._queued)
        self.measures.gauge(
            "adapters_resident",
            "Adapters in memory.",
            lambda: sum(len(host.residents) for host in self.hosts.all()),
        )
        self.measures.gauge(
            "requests_active", "Requests that are being answered.", lambda: self._requests
        )
        self.decoder = Decoder(
            settings.decoders,
            DecodingLimits(
                duration_s=settings.max_recording_s,
                time_s=settings.max_decoding_s,
                wait_s=settings.max_answer_s,
            ),
        )
        self.state: Literal["loading", "ready", "draining"] = "loading"
        self._requests = 0
        self._changed = threading.Condition()
        self._pool = ThreadPoolExecutor(settings.max_requests, thread_name_prefix="request")

    def open(
        self, folders: Mapping[str, Path | str], found: Mapping[str, Path | str] = NONE
    ) -> None:
        """Load adapters at the start, with the backbones that their folders name.

        Args:
            folders: Adapters that must be served.
            found: Further ones; those that cannot be served are logged and left out.

        Raises:
            OssicleError: one of the first cannot be served, or none can be.
        """
        for name, folder in folders.items():
            self.add(name, folder, trusted=True)
        for name, folder in found.items():
            try:
                self.add(name, folder, trusted=True)
            except OssicleError as error:
                _LOGGER.warning(f"'{name}' is left out: {error}")
        if not len(self.catalogue):
            raise ServeError("there is no adapter to serve; name a finished run")
        self.decoder.wait_ready()
        with self._changed:
            self.state = "ready" if self.state == "loading" else self.state

    def add(self, name: str, folder: Path | str, *, trusted: bool = False) -> Entry:
        """Serve one more adapter; requests for others go on meanwhile.

        Args:
            name: Its name in requests.
            folder: A run, adapter or ensemble folder.
            trusted: Whether a backbone may be loaded from where the folder says.

        Raises:
            OssicleError: it cannot be served; nothing has changed.
        """
        self.catalogue.check_new(name)
        entry = read_entry(name, Path(folder))
        try:
            for unit in entry.units:
                host = self.hosts.place(unit, trusted=trusted)
                with host.residents.holding([unit], self.settings.max_answer_s):
                    pass  # loaded once, so that a folder that does not fit is refused now
            self.catalogue.add(entry)
        except OssicleError:
            self._forget(entry)
            raise
        self._count_adapters()
        return entry

    def remove(self, name: str) -> None:
        """Stop serving an adapter; requests that have begun are answered.

        Raises:
            Refusal: no adapter has that name.
        """
        self._forget(self.catalogue.remove(name))
        self._count_adapters()

    def _count_adapters(self) -> None:
        self.measures.serve_adapters([entry.name for entry in self.catalogue.entries()])

    def _queued(self) -> int:
        return sum(len(host.batcher) for host in self.hosts.all())

    def _observe(self, batch: Sequence[Row]) -> None:
        self.measures.batch(sum(len(row.names) for row in batch))
        self.pace.ran(batch[0].begun_s, batch[0].done_s)
        for row in batch:
            self.measures.stage("queue", row.begun_s - row.came_s)
            self.measures.stage("model", row.done_s - row.begun_s)

    def _forget(self, entry: Entry) -> None:
        for unit in entry.units:
            unit.is_served = False
            self.hosts.forget(unit)

    def is_resident(self, entry: Entry) -> bool:
        """Return whether all members of an adapter are in memory."""
        return all(self.hosts.has(unit) for unit in entry.units)

    @contextmanager
    def admitted(self, *, asks_models: bool = True) -> Iterator[None]:
        """Count a request while it is answered.

        Args:
            asks_models: Whether it waits for a model behind other requests.

        Raises:
            Refusal: there are as many as allowed or as can be answered in time, or the server
                starts or stops.
        """
        with self._changed:
            if self.state != "ready":
                raise unavailable(
                    "the server is stopping; send the request to another one"
                    if self.state == "draining"
                    else "the server is still loading; try again in a few seconds"
                )
            self._check_room(asks_models)
            self._requests += 1
        begun_s = time.perf_counter()
        try:
            yield
            if asks_models:
                self.pace.answered()
        finally:
            self.measures.stage("total", time.perf_counter() - begun_s)
            with self._changed:
                self._requests -= 1
                self._changed.notify_all()

    def _check_room(self, asks_models: bool) -> None:
        """Check that one more request can be admitted.

        Raises:
            Refusal: it cannot; the message says which limit is reached.
        """
        most_s, before = self.settings.max_answer_s, self._requests
        before_s = self.pace.seconds_for(before)
        retry_after_s = min(LATEST_S, max(1, math.ceil(before_s)))
        if before >= self.settings.max_requests:
            raise busy(
                f"{before} requests are being answered, which is the limit of this server; try "
                "again",
                retry_after_s,
            )
        if asks_models and before and self.pace.seconds_for(before + 1) > EXPECTED * most_s:
            raise busy(
                f"{before} requests are being answered, which takes about {before_s:.1f} s, so an "
                f"answer within the {most_s:g} s of this server is not certain; try again",
                retry_after_s,
            )

    def drain(self) -> None:
        """Refuse new requests from now on."""
        with self._changed:
            self.state = "draining"

    def wait_idle(self, max_wait_s: float) -> bool:
        """Wait until no request is being answered; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._requests, max_wait_s)

    def close(self) -> None:
        """Finish what waits, and end all threads."""
        self.drain()
        for host in self.hosts.all():
            host.close()
        self.decoder.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def predict(self, asked: Asked) -> dict[str, Any]:
        """Return the answers about a recording, its length, and where the time went.

        Raises:
            Refusal: it cannot be answered.
            OssicleError: as above.
        """
        begun_s = time.perf_counter()
        entries = self.catalogue.chosen(asked.adapters)
        waves = await self.decoded(asked.audio, entries)
        decoded_s = time.perf_counter()
        hearing = self.hearing(waves, asked)
        answers = await self.in_thread(lambda: self._answers(hearing, asked, entries))
        rate, wave = next(iter(waves.items()))
        model_s = sum(one.done_s - one.begun_s for one in hearing.asked)
        queue_s = sum(one.begun_s - one.came_s for one in hearing.asked)
        times = {
            "decode": decoded_s - begun_s,
            "queue": queue_s,
            "model": model_s,
            "total": time.perf_counter() - begun_s,
        }
        return {
            "answers": answers,
            "duration_s": len(wave) / rate,
            "ms": {stage: round(1000 * seconds, 3) for stage, seconds in times.items()},
        }

    async def decoded(self, audio: bytes, entries: Sequence[Entry]) -> Mapping[int, Wave]:
        """Return a recording at the sample rates that some adapters need.

        Raises:
            Refusal: it cannot be decoded.
        """
        begun_s = time.perf_counter()
        rates = self.rates(entries)
        found = await self.in_thread(lambda: self.decoder.decode(audio, rates, client().gone))
        self.measures.stage("decode", time.perf_counter() - begun_s)
        return found.waves

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Return the result of a function, which may wait for models, in a thread.

        When this is cancelled, because the client has left, what the function waits for is dropped.
        """
        waiting, context = Client(), copy_context()
        context.run(CLIENT.set, waiting)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, lambda: context.run(work))
        except asyncio.CancelledError:
            waiting.leave()
            raise

    def rates(self, entries: Sequence[Entry]) -> list[int]:
        """Return the sample rates that some adapters need, in Hz."""
        units = [unit for entry in entries for unit in entry.units]
        return list(dict.fromkeys(self.hosts.of(unit).backbone.sample_rate for unit in units))

    def hearing(self, waves: Mapping[int, Wave], asked: Asked) -> Hearing:
        """Return what computes outputs of a recording."""
        text = Text(prompt=asked.prompt, times=asked.timestamps)
        return Hearing(
            self.hosts, waves, text, self.settings.max_answer_s, self.measures.adapter_rows
        )

    def _answers(
        self, hearing: Hearing, asked: Asked, entries: Sequence[Entry]
    ) -> list[dict[str, Any]]:
        """Return the answer of each adapter, and that of their vote."""
        for entry in entries:
            _check(hearing, asked, entry)
        vote = None if asked.vote is None else joined(ENSEMBLE, entries, asked.vote, self.hosts)
        every = [*entries, *([vote] if vote else [])]
        hearing.hear(every)
        return [self._answer(hearing, asked, entry) for entry in every]

    def _answer(self, hearing: Hearing, asked: Asked, entry: Entry) -> dict[str, Any]:
        found = hearing.decide(entry).decoded
        found |= entry.task.compare_with_first(found, found)  # as for the only file of a command
        answer = {"adapter": entry.name, "file": asked.file, **found}
        if asked.abstain is not None:
            confidence = entry.task.confidence(found)
            is_sure = confidence is not None and confidence >= asked.abstain
            label = found["label"] if is_sure else None
            answer |= {"label": label, "confidence": confidence}
        if entry.is_ensemble:
            answer["members"] = hearing.member_answers(entry)
        return answer


def _check(hearing: Hearing, asked: Asked, entry: Entry) -> None:
    """Raise for what the task of an adapter cannot do.

    Raises:
        Refusal: it has no times, no prompt or no confidence, and they are asked for.
    """
    try:
        task = hearing.task(entry)
        if asked.prompt:
            task.check_prompt(asked.prompt)
    except RunError as error:
        message = str(error).replace("--timestamps", "`timestamps`")
        raise invalid(f"adapter '{entry.name}': {message}") from error
    if asked.abstain is not None and not task.has_confidence():
        raise invalid(
            f"adapter '{entry.name}': answers of the task {task.name} have no confidence, so it "
            "cannot abstain; leave `abstain` out"
        )
