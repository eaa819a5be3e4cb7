"""Write `docs/reference/speed.md` from the stored figures: `python benchmarks/page.py`."""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "speed.md"
RESULTS = ROOT / "benchmarks" / "results"

TEMPLATE = ROOT / "benchmarks" / "speed-template.md"
MARK = re.compile(r"<!-- (machine|table: (\w+)) -->")

GOALS = {
    "LoRA, all layers: ossicle, cached": 1.10,
    "LoRA, top 4 of 12 layers: ossicle, cached": 0.35,
    "LoRA, top layer: ossicle, cached": 0.08,
    "L-adapters: ossicle, cached": 0.05,
    "weighted sum: ossicle, cached": 0.008,
    "linear probe: ossicle, cached": 0.001,
    "full, CNN frozen: ossicle, cached": 2.3,
    "HuBERT base, 4 x 4 s: ossicle": 0.75,
    "HuBERT of 6 layers of 256, 4 x 4 s: ossicle": 0.5,
    "CNN, base, 4 x 4 s: ossicle": 0.5,
    "positions, base, 4 x 4 s: ossicle": 0.2,
    "layers forward, 2 x 4 s: ossicle": 0.75,
    "forward and backward, 2 x 4 s: ossicle": 0.67,
    "layers forward, 1 x 12 s: ossicle": 1.0,
    "forward and backward, 1 x 12 s: ossicle": 1.0,
    "5 s: own length": 0.45,
    "1 s: own length": 0.055,
    "filter bank of 10 s: ossicle": 0.2,
    "ossicle, the frozen prefix as it runs in training": 0.45,
    "load, the first few: ossicle": 3.0,
    "load, 50 resident: ossicle": 3.0,
    "unmerged, base, 2 x 4 s: one adapter": 1.02,
    "five, all layers, base: ossicle": 3.0,
    "five, top third, base: ossicle": 1.6,
    "eight requests, base: ossicle": 1.05,
}


def page(results: dict[str, Any]) -> str:
    """Return the page of the figures of one device."""

    def filled(mark: re.Match[str]) -> str:
        return machine(results) if mark[1] == "machine" else table(mark[2], results[mark[2]])

    return MARK.sub(filled, TEMPLATE.read_text(encoding="utf-8"))


def machine(results: dict[str, Any]) -> str:
    """Return what was measured on."""
    devices = sorted({group["device"] for group in results.values()})
    named = sorted({", ".join(map(" ".join, g["versions"].items())) for g in results.values()})
    return f"Measured on {'; '.join(devices)}, with {'; '.join(named)}."


def table(name: str, group: dict[str, Any]) -> str:
    """Return the figures of a group as a table."""
    figures = group["figures"]
    if name == "memory":
        rows = [
            f"| {label} | {v['loaded']:.0f} | {v['peak']:.0f} |" for label, v in figures.items()
        ]
        return "\n".join(["| variant | loaded | peak |", "|---|---|---|", *rows])
    if name == "curves":
        lines = []
        for label, by_size in figures.items():
            told = ", ".join(f"{size}: {value:.3g} s" for size, value in by_size.items())
            lines.append(f"- {label}: {told}")
        return "\n".join(lines)
    rows = [f"| {label} | {shown(v)} | {GOALS.get(label, '')} |" for label, v in figures.items()]
    return "\n".join(["| | figure | goal |", "|---|---|---|", *rows])


def shown(value: Any) -> str:
    """Return a figure with its spread."""
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{number(value['median'])} [{number(value['low'])}, {number(value['high'])}]"


def number(value: float) -> str:
    """Return a ratio with as many digits as it deserves."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def stored(device: str = "cpu") -> dict[str, Any]:
    """Return what was measured on a device."""
    found: dict[str, Any] = json.loads((RESULTS / f"bench-{device}.json").read_text())
    return found


if __name__ == "__main__":
    PAGE.write_text(page(stored()), encoding="utf-8")
