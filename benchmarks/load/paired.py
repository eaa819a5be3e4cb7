"""What a server takes for its answers, against the bare backbone in the same batches.

After the answers of a batch are given, the server runs its backbone without adapters on the same
rows (`load.server.Paired`). The two follow each other within a second, so that a machine whose
speed changes changes both. The ratio is the processor time of the bare backbone over all other
processor time of the server: HTTP, decoding, batches, adapters.
"""

import statistics
from dataclasses import replace
from typing import Any

from load.figures import capacity, spread
from load.mixed import GOAL_LOAD, Setting
from load.servers import play, started


def throughput(setting: Setting, count: int) -> dict[str, Any]:
    """Return the ratio with so many adapters at 0.8 of the capacity, round by round."""
    names = list(setting.folders)[:count]
    folders = {name: setting.folders[name] for name in names}
    ratios, sizes, capacities = list[float](), list[int](), list[float]()
    with started("paired", folders, setting.limits) as server:
        plan = setting.plan(server, names, seconds=2 * setting.part_s)
        play(replace(plan, under_way=2))  # first passes are slower
        for number in range(setting.rounds):
            capacities.append(capacity(play(replace(plan, seed=number)), plan.seconds))
            rate = GOAL_LOAD * statistics.median(capacities)
            used, bare, done = server.processor_s(), server.bare_s(), len(server.batches())
            play(replace(plan, rate=rate, seed=100 + number))
            bare = server.bare_s() - bare
            ratios.append(bare / (server.processor_s() - used - bare))
            sizes += map(len, server.batches()[done:])
    return {"ratio": spread(ratios), "rows_of_a_batch": statistics.mean(sizes)}
