"""Adapters that come and go under load, and the memory of a server over time."""

import copy
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from load.figures import answered, percentile, summary
from load.mixed import Setting
from load.servers import Server, begin, end, play, started
from ossicle.adapters.saving import load
from ossicle.backbones import Backbone

AT_A_TIME = 50  # adapters that come and go and are there
EVERY_S = 2.0  # time between two looks at the memory


def soak(setting: Setting, rate: float, minutes: float) -> dict[str, Any]:
    """Return the memory over time, with a quarter of the adapters resident at a time."""
    names = list(setting.folders)
    limits = {**setting.limits, "max_resident": max(2, len(names) // 4)}
    with started("ossicle", setting.folders, limits) as server:
        plan = setting.plan(server, names, rate=rate)
        play(plan)
        used, client = server.processor_s(), begin(_longer(plan, 60 * minutes))
        begun, sizes = time.monotonic(), []
        while time.monotonic() < begun + 60 * minutes:
            sizes.append((time.monotonic() - begun, server.memory_mb()))
            time.sleep(EVERY_S)
        used = server.processor_s() - used
        notes = end(client)
    return {
        "minutes": minutes,
        "rate_per_s": rate,
        "resident": limits["max_resident"],
        "adapters": len(names),
        "cores_used": used / (60 * minutes),
        **summary(notes),
        **_memory(sizes),
    }


def _memory(sizes: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return what times in seconds, and the memory at them in MB, say."""
    seconds, memory = np.array(sizes).T
    half = len(memory) // 2
    minutes = (seconds // 60).astype(int)
    return {
        "most_mb": float(memory.max()),
        "mean_mb_by_minute": [
            round(float(memory[minutes == one].mean()), 1) for one in np.unique(minutes)
        ],
        "growth_of_second_half_mb_per_minute": float(
            60 * np.polyfit(seconds[half:], memory[half:], 1)[0]
        ),
    }


def _longer(plan: Any, seconds: float) -> Any:
    return type(plan)(**{**vars(plan), "seconds": seconds})


def loading(setting: Setting, rate: float, root: Path) -> dict[str, Any]:
    """Return how long adding an adapter takes, idle and under load, and what it costs others."""
    first, *others = setting.folders
    times: dict[str, list[float]] = {"idle": [], "under load": []}
    with started("ossicle", {first: setting.folders[first]}, setting.limits, root) as server:
        plan = setting.plan(server, [first], rate=rate)
        without = play(plan)
        for number, name in enumerate(others[: len(others) // 2]):
            label = "idle" if number % 2 else "under load"
            client = begin(_longer(plan, 1.5)) if label == "under load" else None
            time.sleep(0.5 if client else 0.0)
            times[label].append(_added(server, name, setting.folders[name].name))
            if client:
                end(client)
        client = begin(plan)
        for name in others[len(others) // 2 :]:
            _added(server, name, setting.folders[name].name)
        during = end(client)
    return {
        "added_ms": {key: 1000 * statistics.median(found) for key, found in times.items()},
        "p99_ms_of_others": {
            "without": 1000 * percentile(answered(without), 0.99),
            "while adapters are added": 1000 * percentile(answered(during), 0.99),
        },
    }


def _added(server: Server, name: str, folder: str) -> float:
    begun = time.perf_counter()
    status, answer = server.request("POST", "/v1/adapters", {"folder": folder, "name": name})
    assert status == 201, answer
    return time.perf_counter() - begun


def _remove(server: Server, name: str) -> None:
    status, answer = server.request("DELETE", f"/v1/adapters/{name}")
    assert status == 204, answer


def come_and_go(setting: Setting, rate: float, root: Path, backbone: Backbone) -> dict[str, Any]:
    """Return how answers differ from those of their adapter alone, while adapters come and go."""
    first, *others = setting.folders
    with started("ossicle", {first: setting.folders[first]}, setting.limits, root) as server:
        seconds = max(setting.part_s, float(len(others)))
        plan = setting.plan(server, list(setting.folders), rate=rate, keep=True)
        client = begin(_longer(plan, seconds))
        present: list[str] = []
        while client.poll() is None and others:
            present.append(others.pop(0))
            _added(server, present[-1], setting.folders[present[-1]].name)
            if len(present) > AT_A_TIME:
                _remove(server, present.pop(0))
            time.sleep(seconds / len(setting.folders) / 2)
        for name in present:
            _remove(server, name)
        notes = end(client)
    statuses = [note["status"] for note in notes]
    checked = [note for note in notes if note["status"] == 200]
    differences = _differences(checked, setting, backbone)
    return {
        "added": len(setting.folders) - 1 - len(others),
        "answers": len(checked),
        "adapters_that_answered": len({note["adapter"] for note in checked}),
        "largest_difference": max(differences, default=None),
        "statuses": {str(status): statuses.count(status) for status in sorted(set(statuses))},
    }


def _differences(
    notes: Sequence[Mapping[str, Any]], setting: Setting, backbone: Backbone
) -> list[float]:
    """Return how far the probabilities of each answer are from those of its adapter alone."""
    found = []
    for name in {note["adapter"] for note in notes}:
        model = load(setting.folders[name], copy.deepcopy(backbone)).eval()
        alone: dict[int, Any] = {}
        for note in (one for one in notes if one["adapter"] == name):
            number = note["recording"]
            if number not in alone:
                wave = soundfile.read(setting.recordings[number], dtype="float32")[0]
                with torch.no_grad():
                    alone[number] = model(*backbone.batch([wave]))[0].softmax(-1)
            probs = note["answer"]["answers"][0]["probs"].values()
            found.append(
                max(abs(a - b) for a, b in zip(probs, alone[number].tolist(), strict=True))
            )
    return found
