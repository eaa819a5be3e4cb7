"""The quick selection: each property meets every recipe once, and every kind of backbone.

A property is a test of a `pair`: a kind of backbone and a recipe. A fault of a method alone, or of
a family alone, shows in all of its pairs, so one of them is enough. `make test` therefore runs a
property on one kind for each recipe: the next kind for the next recipe, and for another property
other kinds (here x and o).

                  lora   bias   gate        Properties that depend on how the two fit have the mark
    hubert         x             o          `every_pair` and run on all pairs. Pairs that are left
    wavlm          o      x                 out have the mark `thorough` and run in `make test-all`.
    whisper               o      x

CI runs about a third of the other pairs, again different ones for each property. The rest has the
mark `exhaustive` too.
"""

from collections import defaultdict
from pathlib import Path
from zlib import crc32

import pytest

from kinds import Pair, rotation, third

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before -m is applied
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    by_property: dict[str, list[tuple[Pair, pytest.Item]]] = defaultdict(list)
    for item in items:  # of all folders
        if item.path.parent != HERE or not hasattr(item, "callspec"):
            continue
        pair = item.callspec.params.get("pair")
        if pair and not item.get_closest_marker("every_pair"):
            by_property[item.nodeid.partition("[")[0]].append((pair, item))
    for name, tests in by_property.items():
        pairs, turn = [pair for pair, _ in tests], crc32(name.encode())
        quick, in_ci = rotation(pairs, turn), third(pairs, turn)
        for pair, item in tests:
            if pair not in quick:
                item.add_marker("thorough")
                if pair not in in_ci:
                    item.add_marker("exhaustive")
