"""Throughput and latency of requests for many adapters, against peft and the bare backbone."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import soundfile
import torch

from load.client import Plan
from load.figures import answered, percentile, spread, summary, throughput
from load.servers import Server, play, started
from ossicle.backbones import Backbone

LOADS = (0.5, 0.8, 2.0)  # of the capacity
GOAL_LOAD = 0.8
Notes = list[dict[str, Any]]


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        backbone: Name of the backbone.
        folders: Folders of all adapters, by name.
        recordings: WAV files.
        limits: Fields of `ServeSettings` of all servers.
        part_s: Seconds of one part of a round.
        rounds: Number of rounds.
    """

    backbone: str
    folders: Mapping[str, Path]
    recordings: Sequence[Path]
    limits: Mapping[str, Any]
    part_s: float
    rounds: int

    def plan(self, server: Server, names: Sequence[str], **changes: Any) -> Plan:
        """Return the plan of a client of a server."""
        files = [str(file) for file in self.recordings]
        plan = Plan(server.port, list(names), files, self.part_s)
        return replace(plan, under_way=self.limits["max_requests"], **changes)


class Bare:
    """The backbone without adapters, in batches of as many rows of about one length."""

    def __init__(self, backbone: Backbone, recordings: Sequence[Path]) -> None:
        self._backbone = backbone
        waves = [soundfile.read(file, dtype="float32")[0] for file in recordings]
        self._waves = sorted(waves, key=len)
        self._next = 0

    def _batch(self, rows: int) -> list[Any]:
        at = self._next % len(self._waves)
        self._next += 1
        near = sorted(self._waves, key=lambda wave: abs(len(wave) - len(self._waves[at])))
        return [near[number % min(3, len(near))] for number in range(rows)]

    @torch.no_grad()
    def run(self, seconds: float, rows: int) -> tuple[float, float]:
        """Return rows in a second, and processor seconds of a row."""
        begun, used, done = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() < begun + seconds or self._next % len(self._waves):
            self._backbone(*self._backbone.batch(self._batch(rows)))
            done += rows
        return done / (time.perf_counter() - begun), (time.process_time() - used) / done


def per_answer(server: Server, run: Callable[[], Notes]) -> tuple[Notes, float, float]:
    """Return what became of requests, processor seconds of an answer, and rows of a batch."""
    used, (rows, batches) = server.processor_s(), server.rows_of_batches()
    notes = run()
    rows_after, batches_after = server.rows_of_batches()
    cost = (server.processor_s() - used) / max(1, len(answered(notes)))
    return notes, cost, (rows_after - rows) / max(1.0, batches_after - batches)


def measure(setting: Setting, count: int, bare: Bare) -> dict[str, Any]:
    """Return the figures of so many adapters.

    In every round, all parts follow each other: ossicle at its capacity and at each load, the bare
    backbone in batches like those at a load of 0.8, peft at its capacity and at each load.
    """
    names = list(setting.folders)[:count]
    folders = {name: setting.folders[name] for name in names}
    found: dict[str, list[float]] = {key: [] for key in RATIOS}
    notes: dict[str, Notes] = {}
    capacity: float | None = None
    sizes: list[float] = []
    with (
        started("ossicle", folders, setting.limits) as ours,
        started("peft", folders, setting.limits) as peft,
    ):
        for number in range(setting.rounds):
            closed = {}
            for label, server in (("ossicle", ours), ("peft", peft)):
                plan = setting.plan(server, names, seed=number)
                closed[label] = play(plan)
                notes.setdefault(f"{label}, capacity", []).extend(closed[label])
            reached = throughput(closed["ossicle"])
            capacity = capacity or reached
            for share in LOADS:
                for label, server in (("ossicle", ours), ("peft", peft)):
                    changes = {"rate": share * capacity, "seed": 100 + number}
                    plan = setting.plan(server, names, **changes)
                    made, cost, rows = per_answer(server, lambda plan=plan: play(plan))
                    notes.setdefault(f"{label}, {share:g}", []).extend(made)
                    if (label, share) == ("ossicle", GOAL_LOAD):
                        ours_cost, size = cost, max(1, round(rows))
            bare_rows, bare_cost = bare.run(setting.part_s / 2, size)
            sizes.append(size)
            found["throughput at 0.8 to bare, by processor time"].append(bare_cost / ours_cost)
            found["capacity to bare, by the clock"].append(reached / bare_rows)
            found["capacity to peft"].append(reached / throughput(closed["peft"]))
    assert capacity is not None
    bound_s = setting.limits["max_requests"] / capacity
    late = percentile(answered(notes["ossicle, 2"]), 0.99)
    return {
        "capacity_per_s": capacity,
        "rows_of_batches_at_0.8": spread(sizes),
        "bound_ms": 1000 * bound_s,
        "p99_at_2_to_bound": late / bound_s,
        "ratios": {key: spread(values) for key, values in found.items()},
        "loads": {label: summary(one) for label, one in notes.items()},
    }


RATIOS = (
    "throughput at 0.8 to bare, by processor time",
    "capacity to bare, by the clock",
    "capacity to peft",
)
