"""Decode recordings of strangers, each in a process that can be killed.

A file of a few kilobytes can state hours of silence, and a decoder may crash. So that this costs
only the request that brought it, recordings are decoded in worker processes with limits of time,
samples and memory. A worker that exceeds its time, or that crashes, is replaced.

The workers are not those of `concurrent.futures` or pebble, where all share a queue that a worker
may hold when it is killed: there, one crash can end the pool.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, LifoQueue
from threading import Event, Timer
from typing import Any, Final

import numpy as np

from ossicle.data.decode import Wave
from ossicle.serving.refusal import Refusal, bad_audio, unavailable

_USUAL_HZ: Final = 48_000
_BYTES_PER_SAMPLE: Final = 24  # float32: blocks, the whole wave, checks, resampled and clipped
_SPARE_BYTES: Final = 2**28  # for the file itself and the decoder
_STARTING_S: Final = 60.0  # time for a worker to start
_ENDING_S: Final = 2.0  # time for workers to end by themselves
_WITHOUT: Final = ("OSSICLE_API_KEY",)  # variables that no decoder needs to know
_ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class DecodingLimits:
    """What decoding a recording may cost.

    Attributes:
        duration_s: Longest recording, in seconds.
        time_s: Longest time to decode it, in seconds.
        wait_s: Longest wait for a free worker, in seconds.
        samples: Most samples of a recording, at its own sample rate. 0: those of the longest
            recording at 48 kHz.
        memory_bytes: Most memory of a worker, beyond what it needs when idle. 0: what so many
            samples need.
    """

    duration_s: float = 600.0
    time_s: float = 10.0
    wait_s: float = 10.0
    samples: int = 0
    memory_bytes: int = 0

    def __post_init__(self) -> None:
        """Derive limits from others."""
        samples = self.samples or int(max(self.duration_s, 60.0) * _USUAL_HZ)
        memory_bytes = self.memory_bytes or _SPARE_BYTES + _BYTES_PER_SAMPLE * samples
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "memory_bytes", memory_bytes)

    def to_json(self) -> str:
        """Return the limits as a worker reads them."""
        names = ("duration_s", "samples", "time_s", "memory_bytes")
        return json.dumps({name: getattr(self, name) for name in names})


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded recording.

    Attributes:
        waves: (N,) float32 in [-1, 1], by sample rate in Hz.
        duration_s: Length in seconds.
    """

    waves: Mapping[int, Wave]
    duration_s: float


class Decoder:
    """A pool of workers; several threads may use it at once."""

    def __init__(self, workers: int = 1, limits: DecodingLimits | None = None) -> None:
        """Start the workers, without waiting for them.

        Args:
            workers: Number of processes.
            limits: What a recording may cost.
        """
        self.limits = limits or DecodingLimits()
        self._closed = False
        self._free = LifoQueue[_Worker]()
        self._count = workers
        for _ in range(workers):
            self._free.put(_Worker(self.limits))

    def decode(
        self, data: bytes | bytearray | memoryview, rates: Sequence[int], gone: Event | None = None
    ) -> Decoded:
        """Decode the content of a file, of any format that `ossicle.data` reads.

        Args:
            data: Content of the file.
            rates: Sample rates of the waves, in Hz.
            gone: Set when nobody waits for the result any more.

        Returns:
            The wave that `load_wave` returns, at each rate.

        Raises:
            Refusal: the file is not a usable recording (400), it is too long or needs too much
                memory or time (413), no worker is free (429), or nobody waits (408).
        """
        if not data:
            raise bad_audio("The recording is empty. Send an audio file.")
        if len(data) >= self.limits.memory_bytes:
            most = self.limits.memory_bytes >> 20
            raise Refusal(413, f"The file is larger than {most} MiB. Send a shorter recording.")
        rates = list(dict.fromkeys(rates))
        with self._worker() as worker:
            if gone is not None and gone.is_set():
                raise Refusal(408, "The client has gone before its recording was decoded.")
            return worker.decode(data, rates)

    def wait_ready(self) -> None:
        """Wait until all workers have started, before the first recording is decoded.

        Raises:
            Refusal: one does not start.
        """
        workers = [self._free.get() for _ in range(self._count)]
        try:
            for worker in workers:
                worker.start()
        finally:
            for worker in workers:
                self._free.put(worker)

    @contextmanager
    def _worker(self) -> Iterator["_Worker"]:
        """Lend a worker, and replace it if it has ended.

        Raises:
            Refusal: none is free in time.
        """
        try:
            worker = self._free.get(timeout=self.limits.wait_s)
        except Empty as error:
            raise Refusal(
                429,
                f"All {self._count} decoders were busy for {self.limits.wait_s:g} s. Try again.",
                retry_after_s=max(1, round(self.limits.wait_s)),
            ) from error
        try:
            if not worker.is_alive:  # the system may have ended it
                worker = self._replaced(worker)
            yield worker
        finally:
            if not worker.is_alive and not self._closed:
                worker = self._replaced(worker)
            self._free.put(worker)

    def _replaced(self, worker: "_Worker") -> "_Worker":
        worker.end()
        return _Worker(self.limits)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that are free."""
        return [worker.pid for worker in list(self._free.queue)]

    def close(self) -> None:
        """End the workers; what they decode is lost."""
        self._closed = True
        for _ in range(self._count):
            with suppress(Empty):
                self._free.get(timeout=self.limits.time_s + _ENDING_S).end()


class _Worker:
    """A process that decodes one recording at a time."""

    def __init__(self, limits: DecodingLimits) -> None:
        self._limits = limits
        self._is_ready = self._is_killed = False
        environment = {name: text for name, text in os.environ.items() if name not in _WITHOUT}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ossicle.serving.decode_worker", limits.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment | _ONE_THREAD,
            start_new_session=True,  # Ctrl-C reaches the server alone, which ends the workers last
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._sink, self._source = self._process.stdin, self._process.stdout

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None and not self._is_killed

    def start(self) -> None:
        """Wait until the process takes orders.

        Raises:
            Refusal: it does not start.
        """
        if self._is_ready:
            return
        message = "The decoder does not start. Try again, and look at the output of the server."
        with self._within(_STARTING_S, lambda _: unavailable(message)):
            self._is_ready = bool(self._source.readline() or _ended())

    def decode(self, data: bytes | bytearray | memoryview, rates: Sequence[int]) -> Decoded:
        """Decode a recording; kill the worker if that fails in any other way than it says itself.

        Raises:
            Refusal: the worker refuses it, exceeds its time, crashes, or does not start.
        """
        self.start()
        with self._within(self._limits.time_s, self._refusal):
            answer, content = self._exchange(data, rates)
        if "error" in answer:
            if answer["error"] == "bad_audio":
                raise bad_audio(answer["message"])
            raise Refusal(413, answer["message"], answer["error"])
        return Decoded(dict(zip(rates, content, strict=True)), answer["duration_s"])

    def _exchange(
        self, data: bytes | bytearray | memoryview, rates: Sequence[int]
    ) -> tuple[dict[str, Any], list[Wave]]:
        """Send an order, and return the answer and the waves after it.

        Raises:
            OSError: the worker has ended before it was sent.
            EOFError: it ends before the answer is complete.
        """
        self._sink.write(json.dumps({"bytes": len(data), "rates": rates}).encode() + b"\n")
        self._sink.write(data)
        self._sink.flush()
        answer = json.loads(self._source.readline() or _ended())
        waves = [np.empty(size, np.float32) for size in answer.get("samples", ())]
        for wave in waves:
            if self._source.readinto(wave.data) < wave.nbytes:  # type: ignore[attr-defined]
                _ended()
        return answer, waves

    @contextmanager
    def _within(self, seconds: float, refused: Callable[[bool], Refusal]) -> Iterator[None]:
        """Kill the worker if it takes longer than so many seconds, or ends.

        Args:
            seconds: The seconds.
            refused: Returns what to raise, given whether the time was exceeded.

        Raises:
            Refusal: one of both.
        """
        expired = Event()
        timer = Timer(seconds, self._expire, [expired])
        timer.start()
        try:
            yield
        except BaseException as error:
            self._kill()  # what it sends from now on would belong to the next recording
            if isinstance(error, OSError | EOFError):
                raise refused(expired.is_set()) from error
            raise
        finally:
            timer.cancel()
            timer.join()  # it may be killing the worker just now

    def _expire(self, expired: Event) -> None:
        expired.set()
        self._kill()

    def _kill(self) -> None:
        self._is_killed = True
        self._process.kill()

    def _refusal(self, expired: bool) -> Refusal:
        if expired:
            return Refusal(
                413,
                f"The recording takes longer than {self._limits.time_s:g} s to decode. Send a "
                "shorter one, or one in another format.",
                "too_long",
            )
        return bad_audio("The recording crashes the decoder. Export it again, as wav or flac.")

    def end(self) -> None:
        """Let the process end, and kill it if it does not."""
        with suppress(OSError):  # what it has not read yet
            self._sink.close()
        try:
            self._process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._source.close()


def _ended() -> bytes:
    raise EOFError
