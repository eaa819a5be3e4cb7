"""The engine of one machine: worker processes that each compute one trial after the other.

A worker keeps its libraries and its backbone between trials. If one ends during a trial, say
because memory ran out, a new one continues that trial from its checkpoint; at the second time, the
trial has failed. The workers end with this process, however it ends.
"""

import json
import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Final, TypeAlias

import torch

from ossicle.child import Child
from ossicle.errors import RunError
from ossicle.trials.engine import Event, Job, OnEvent, outcome_event
from ossicle.trials.folder import write_failed

_LOGGER: Final = logging.getLogger(__name__)
CHANCES: Final = 2  # how often a trial is started

_Log: TypeAlias = tuple[int, str]
_News: TypeAlias = "Event | _Log | Exception | None"  # None: a worker has nothing left to do


@dataclass(frozen=True)
class LocalEngine:
    """Computes trials in worker processes on this machine.

    Attributes:
        workers: Number of worker processes; see `ossicle.trials.capacity`.
        threads: Threads of each; results depend on it bit by bit. Models so small that more
            threads do not help have one, as in `ossicle train`.
        may_start: Whether another trial may start; those that run are not ended.
    """

    workers: int = 1
    threads: int = 1
    may_start: Callable[[], bool] = lambda: True

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> None:
        """Compute all trials; see `Engine.run`."""
        queue, news = _Queue(jobs, self.may_start), SimpleQueue[_News]()
        workers = [
            _Worker(self.threads, _gpu_of(number, jobs), queue, news)
            for number in range(min(self.workers, len(jobs)))
        ]
        try:
            for worker in workers:
                worker.start()
            _pass_on(news, len(workers), on_event)
        finally:
            queue.close()
            for worker in workers:
                worker.end()


def _pass_on(news: "SimpleQueue[_News]", working: int, on_event: OnEvent) -> None:
    """Pass on what the workers report until all of them have ended."""
    logged: set[_Log] = set()
    while working:
        item = news.get()
        if item is None:
            working -= 1
        elif isinstance(item, Exception):
            raise item
        elif isinstance(item, Event):
            on_event(item)
        elif item not in logged:  # the same notice comes from nearly every trial
            logged.add(item)
            _LOGGER.log(*item)


class _Queue:
    """The trials that no worker has taken yet."""

    def __init__(self, jobs: Sequence[Job], may_start: Callable[[], bool]) -> None:
        self._jobs = deque(jobs)
        self._may_start = may_start
        self._lock = Lock()
        self.is_closed = False

    def take(self, backbone: str | None) -> Job | None:
        """Return the next trial, if possible one with the backbone that the worker has loaded."""
        with self._lock:
            if self.is_closed or not self._jobs or not self._may_start():
                return None
            same = (job for job in self._jobs if job.trial.config.backbone == backbone)
            job = next(same, self._jobs[0])
            self._jobs.remove(job)
            return job

    def close(self) -> None:
        """Give out no more trials."""
        with self._lock:
            self.is_closed = True


class _Worker(Thread):
    """A thread that gives the trials of the queue to a worker process."""

    def __init__(
        self, threads: int, gpu: Mapping[str, str], queue: _Queue, news: "SimpleQueue[_News]"
    ) -> None:
        super().__init__(daemon=True)
        self._command = [sys.executable, "-m", "ossicle.trials.worker", str(threads)]
        self._environment = gpu
        self._queue = queue
        self._news = news
        self._child: Child | None = None
        self._lock = Lock()

    def run(self) -> None:
        """Compute trials until none is left."""
        backbone = None
        try:
            while job := self._queue.take(backbone):
                backbone = job.trial.config.backbone
                self._compute(job)
        except Exception as error:  # the thread that started this one raises it
            self._news.put(error)
        finally:
            self._end_child()
            self._news.put(None)

    def end(self) -> None:
        """End the worker process, whatever it is doing; the queue is closed."""
        with self._lock:
            if self._child is not None:
                self._child.kill()
        self.join()

    def _compute(self, job: Job) -> None:
        self._news.put(Event(name=job.name, what="started"))
        for chance in range(1, CHANCES + 1):
            answer = self._ask(job)
            if answer is not None:
                self._news.put(outcome_event(job, answer))
                return
            status = self._end_child()
            if self._queue.is_closed:
                return
            reason = f"its worker process ended with status {status}{_meaning(status)}"
            if chance < CHANCES:
                self._news.put(Event(name=job.name, what="restarted", reason=reason))
        reason += ", for the second time. Try --workers 1, a smaller --batch-size or --max-seconds"
        write_failed(job.folder, reason)
        self._news.put(Event(name=job.name, what="failed", reason=reason))

    def _ask(self, job: Job) -> Mapping[str, Any] | None:
        """Return what a worker process answers; None if it ends before."""
        child = self._child or self._start_child()
        if child is None:
            return None
        child.send(json.dumps(job.to_dict()).encode())
        for line in child.lines():
            ((name, value),) = json.loads(line).items()
            if name == "end":
                answer: Mapping[str, Any] = value
                return answer
            if name == "log":
                self._news.put((int(value[0]), str(value[1])))
            else:
                stage, done, total, facts = value
                self._news.put(
                    Event(
                        name=job.name, what="step", stage=stage, done=done, total=total, facts=facts
                    )
                )
        return None

    def _start_child(self) -> Child | None:
        """Start a worker process; return None if the engine is ending.

        Raises:
            RunError: it ended before it could take a trial.
        """
        with self._lock:
            if self._queue.is_closed:
                return None
            self._child = Child(self._command, self._environment)
        if next(self._child.lines(), None) is None and not self._queue.is_closed:
            status = self._end_child()
            raise RunError(
                f"a worker process could not start: it ended with status {status}"
                f"{_meaning(status)}. See its messages above; with little memory, try --workers 1"
            )
        return self._child

    def _end_child(self) -> int:
        """End the worker process, and return its status."""
        with self._lock:
            child, self._child = self._child, None
        if child is None:
            return 0
        with child:
            pass
        return child.wait()


def _meaning(status: int) -> str:
    """Return what an exit status says."""
    return " (killed; perhaps memory ran out)" if status == -9 else ""


def _gpu_of(number: int, jobs: Sequence[Job]) -> dict[str, str]:
    """Return the environment that gives a worker one GPU, where there are several."""
    count = torch.cuda.device_count()
    if count < 2 or any(job.trial.config.device not in ("auto", "cuda") for job in jobs):
        return {}
    names = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(count)))).split(",")
    return {"CUDA_VISIBLE_DEVICES": names[number % count]}
