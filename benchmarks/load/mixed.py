"""Throughput and latency of requests for many adapters, against peft and the bare backbone."""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import soundfile
import torch

from load.client import Plan
from load.figures import answered, capacity, percentile, spread, summary
from load.servers import Batches, Server, play, started
from ossicle.backbones import Backbone

GOAL_LOAD = 0.8  # of the capacity
LOADS = {0.5: 1.0, GOAL_LOAD: 1.5, 2.0: 3.0}  # and their length, in parts of a round
PEFT_LOAD = 0.5  # of the capacity of ossicle, which is about all that peft can do
PEFT_MOST = 32  # adapters of peft: adding one takes the longer the more there are
UNDER_WAY = 8  # requests at a time, where the capacity is measured
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
        plan = Plan(server.port, list(names), files, self.part_s, under_way=UNDER_WAY)
        return replace(plan, **changes)


class Bare:
    """The backbone without adapters and without HTTP, in the batches that a server has formed.

    Attributes:
        backbone: The backbone.
        waves: Recordings, by their length in samples.
    """

    def __init__(self, backbone: Backbone, recordings: Sequence[Path]) -> None:
        self.backbone = backbone
        waves = [soundfile.read(file, dtype="float32")[0] for file in recordings]
        self.waves = {len(wave): wave for wave in waves}
        self.run([[length] for length in self.waves])  # first passes are slower

    @torch.no_grad()
    def batch(self, lengths: Sequence[int]) -> None:
        """Run one batch."""
        self.backbone(*self.backbone.batch([self.waves[length] for length in lengths]))

    def run(self, batches: Batches) -> float:
        """Return the seconds by the clock for some batches."""
        begun = time.perf_counter()
        for lengths in batches:
            self.batch(lengths)
        return time.perf_counter() - begun


@dataclass
class Found:
    """What was found in all rounds.

    Attributes:
        ratios: By name, one in each round.
        notes: What became of requests, by server and load.
        sizes: Mean size of batches, by load.
        capacities: Answers in a second, one in each round.
    """

    ratios: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[str, Notes] = field(default_factory=lambda: defaultdict(list))
    sizes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    capacities: list[float] = field(default_factory=list)

    @property
    def capacity(self) -> float:
        """The median of the capacities so far, of which loads are shares."""
        return statistics.median(self.capacities)


@contextmanager
def watched(server: Server, found: Found, label: str) -> Iterator[dict[str, Any]]:
    """Give a dict that has, at the end, the batches of a server."""
    before, made = len(server.batches()), dict[str, Any]()
    yield made
    made["batches"] = server.batches()[before:]
    found.notes[label] += made["notes"]
    if made["batches"]:
        found.sizes[label].append(sum(map(len, made["batches"])) / len(made["batches"]))


def measure(setting: Setting, count: int, bare: Bare) -> dict[str, Any]:
    """Return the figures of so many adapters.

    In every round, all parts follow each other: ossicle and peft at their capacities, ossicle at
    each load, peft at one, and the bare backbone in the batches that ossicle has formed. peft takes
    part up to `PEFT_MOST` adapters.
    """
    names = list(setting.folders)[:count]
    folders = {name: setting.folders[name] for name in names}
    found, kinds = Found(), ("ossicle", "peft") if count <= PEFT_MOST else ("ossicle",)
    with ExitStack() as stack:
        servers = {
            kind: stack.enter_context(started(kind, folders, setting.limits)) for kind in kinds
        }
        for server in servers.values():  # first passes are slower
            play(setting.plan(server, names, seconds=min(3.0, setting.part_s), under_way=2))
        for number in range(setting.rounds):
            _round(setting, names, number, servers, bare, found)
    bound_s = setting.limits["max_answer_s"]
    late_s = percentile(answered(found.notes["ossicle, 2"]), 0.99)
    return {
        "capacity_per_s": spread(found.capacities),
        "rows_of_batches": {label: spread(values) for label, values in found.sizes.items()},
        "bound_ms": 1000 * bound_s,
        "p99_at_2_to_bound": late_s / bound_s,
        "ratios": {key: spread(values) for key, values in found.ratios.items()},
        "loads": {label: summary(one) for label, one in found.notes.items()},
    }


def _round(
    setting: Setting,
    names: Sequence[str],
    number: int,
    servers: Mapping[str, Server],
    bare: Bare,
    found: Found,
) -> None:
    """Measure all parts once."""
    closed = dict[str, Any]()
    for kind, server in servers.items():
        with watched(server, found, f"{kind}, capacity") as closed[kind]:
            closed[kind]["notes"] = play(setting.plan(server, names, seed=number))
    reached = {kind: capacity(one["notes"], setting.part_s) for kind, one in closed.items()}
    found.capacities.append(reached["ossicle"])
    for kind, share in (*(("ossicle", share) for share in LOADS), ("peft", PEFT_LOAD)):
        if kind not in servers:
            continue
        label, seconds = f"{kind}, {share:g}", LOADS[share] * setting.part_s
        changes = {"rate": share * found.capacity, "seconds": seconds, "seed": 100 + number}
        with watched(servers[kind], found, label) as opened:
            opened["notes"] = play(setting.plan(servers[kind], names, **changes))
    full = closed["ossicle"]["batches"]
    rows_per_s = sum(map(len, full)) / bare.run(full)
    found.ratios["capacity to bare, by the clock"].append(reached["ossicle"] / rows_per_s)
    if "peft" in reached:
        found.ratios["capacity to peft"].append(reached["ossicle"] / reached["peft"])
