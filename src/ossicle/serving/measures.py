"""What a server measures, in the text format of Prometheus."""

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
STAGES: Final = ("decode", "queue", "model", "total")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"})
_SECONDS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_OTHER: Final = "other"  # the path of requests that no endpoint answers


class Measures:
    """Counters of one server, in a registry of their own; any thread may count."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "ossicle_requests",
            "Requests by endpoint, method and status; 499: the client left.",
            ("endpoint", "method", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "ossicle_stage_seconds",
            "Time of each stage: decode and total by request, queue and model by row.",
            ("stage",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._batch = Histogram(
            "ossicle_batch_rows",
            "Rows of a batch: a recording or a window of one, with one adapter.",
            buckets=_ROWS,
            registry=registry,
        )
        self._rows = Counter(
            "ossicle_adapter_rows",
            "Rows by adapter.",
            ("adapter",),
            registry=registry,
        )
        self._adapters: set[str] = set()
        self._lock = threading.Lock()
        for stage in STAGES:
            self._seconds.labels(stage)
        ProcessCollector(registry=registry)  # process_resident_memory_bytes and others

    def gauge(self, name: str, about: str, read: Callable[[], float]) -> None:
        """Add a value that is read whenever the measures are.

        Args:
            name: Its name, after `ossicle_`.
            about: What it is.
            read: Returns it.
        """
        Gauge(f"ossicle_{name}", about, registry=self._registry).set_function(read)

    def request(self, scope: Mapping[str, Any], status: int) -> None:
        """Count a request at its end, under the path of its endpoint, not its own."""
        endpoint = getattr(scope.get("route"), "path", _OTHER)
        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        self._requests.labels(endpoint, method, status).inc()

    def stage(self, name: str, seconds: float) -> None:
        """Count the time of a request in a stage: queue and model once for each of its rows.

        Args:
            name: One of `STAGES`.
            seconds: The time.
        """
        self._seconds.labels(name).observe(seconds)

    def batch(self, rows: int) -> None:
        """Count a batch."""
        self._batch.observe(rows)

    def adapter_rows(self, name: str, rows: int = 1) -> None:
        """Count rows of an adapter, as long as it is served."""
        with self._lock:
            if name in self._adapters:
                self._rows.labels(name).inc(rows)

    def serve_adapters(self, names: Collection[str]) -> None:
        """Set which adapters are served; counts of others end."""
        with self._lock:
            for name in self._adapters - set(names):
                self._rows.remove(name)
            for name in set(names) - self._adapters:
                self._rows.labels(name)
            self._adapters = set(names)

    def text(self) -> bytes:
        """Return all measures, in the format of `CONTENT_TYPE`."""
        return generate_latest(self._registry)


class Pace:
    """How long the models compute for an answer, as a mean over the last batches."""

    def __init__(self, kept: float = 0.95) -> None:
        """Begin without any answers.

        Args:
            kept: Factor on the weight of all that came before, at each batch.
        """
        self._kept = kept
        self._busy_s = self._answers = 0.0
        self._until_s = 0.0
        self._lock = threading.Lock()

    def ran(self, begun_s: float, done_s: float) -> None:
        """Count a batch; time in which another one ran as well counts once.

        Args:
            begun_s: When it began, by `time.perf_counter`.
            done_s: When it ended.
        """
        with self._lock:
            added_s = max(0.0, done_s - max(begun_s, self._until_s))
            self._busy_s = self._kept * self._busy_s + added_s
            self._answers *= self._kept
            self._until_s = max(self._until_s, done_s)

    def answered(self) -> None:
        """Count an answer."""
        with self._lock:
            self._answers += 1

    def seconds_for(self, requests: int) -> float:
        """Return how long the models need for so many requests; 0 if there was no answer yet."""
        with self._lock:
            return requests * self._busy_s / self._answers if self._answers else 0.0
