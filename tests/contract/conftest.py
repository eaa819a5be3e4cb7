"""The quick selection: each property meets every recipe once, and every kind of backbone.

A property is a test of a `pair`: a kind of backbone and a recipe. A fault of a method alone, or of
a family alone, shows in all of its pairs, so one of them is enough. `make test` therefore runs a
property on one kind for each recipe: the next kind for the next recipe, and for another property
other kinds (here x and o).

                  lora   bias   gate        Pairs that are left out have the mark `thorough`. CI
    hubert         x             o          runs about a sixth of them, again different ones for
    wavlm          o      x                 each property; the rest has the mark `exhaustive` too
    whisper               o      x          and runs in `make test-all`.

Properties that depend on how the two fit have the mark `every_pair`: `make test` runs about a third
of their pairs, and CI all.
"""

from collections import defaultdict
from pathlib import Path
from zlib import crc32

import pytest

from kinds import Pair, every, rotation

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before -m is applied
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    by_property: dict[str, list[tuple[Pair, pytest.Item]]] = defaultdict(list)
    for item in items:  # of all folders
        if item.path.parent != HERE or not hasattr(item, "callspec"):
            continue
        pair = item.callspec.params.get("pair")
        if pair:
            by_property[item.nodeid.partition("[")[0]].append((pair, item))
    for name, tests in by_property.items():
        pairs, turn = [pair for pair, _ in tests], crc32(name.encode())
        once = rotation(pairs, turn)
        third, sixth = every(3, pairs, turn), every(6, pairs, turn)
        for pair, item in tests:
            if pair in once:
                continue
            if not item.get_closest_marker("every_pair"):
                item.add_marker("thorough")
                if pair not in sixth:
                    item.add_marker("exhaustive")
            elif pair not in third:
                item.add_marker("thorough")
