"""What many requests say about a server."""

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from load.client import ANSWERED
from ossicle.compute.turns import Spread

Notes = Sequence[Mapping[str, Any]]
TOO_MANY = 429


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least a share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def answered(notes: Notes) -> list[float]:
    """Return the latencies of the requests that were answered, in seconds."""
    return [note["latency_s"] for note in notes if note["status"] == ANSWERED]


def capacity(notes: Notes, seconds: float) -> float:
    """Return the answers in a second of a server that was busy for so many seconds."""
    ends = [note["due_s"] + note["latency_s"] for note in notes if note["status"] == ANSWERED]
    within = [end for end in ends if end <= seconds] or ends  # of a very slow machine
    return len(within) / max(within)


def summary(notes: Notes) -> dict[str, Any]:
    """Return latencies and how many requests had no answer."""
    latencies = answered(notes)
    refused = sum(note["status"] == TOO_MANY for note in notes)
    failed = Counter(note["status"] for note in notes if note["status"] not in (ANSWERED, TOO_MANY))
    found = {
        "requests": len(notes),
        "answered": len(latencies),
        "refused": refused,
        "failed": {str(status): count for status, count in failed.items()},
    }
    if latencies:
        found |= {
            "p50_ms": 1000 * percentile(latencies, 0.5),
            "p99_ms": 1000 * percentile(latencies, 0.99),
        }
    stages = [note["ms"] for note in notes if note.get("ms")]
    if stages:
        found["median_ms"] = {
            stage: statistics.median(one[stage] for one in stages) for stage in stages[0]
        }
    return found


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and quartiles; of fewer than four values, their median and range."""
    if len(values) < 4:
        return {"median": statistics.median(values), "low": min(values), "high": max(values)}
    return asdict(Spread.of(values))
