"""Write the Benchmarks page, `docs/reference/speed.md`, from the stored results.

python benchmarks/page.py
"""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "speed.md"
RESULTS = ROOT / "benchmarks" / "results"

TEMPLATE = ROOT / "benchmarks" / "speed-template.md"
MARK = re.compile(r"<!-- (machine|gpu|ensemble|table: (\w+)) -->")

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
    "ossicle, the frozen part as in training": 0.45,
    "load, the first few: ossicle": 3.0,
    "load, 50 resident: ossicle": 3.0,
    "unmerged, base, 2 x 4 s: one adapter": 1.02,
    "five, all layers, base: ossicle": 3.0,
    "five, top third, base: ossicle": 1.6,
    "eight requests, base: ossicle": 1.05,
}


def page(
    results: dict[str, Any],
    on_gpu: dict[str, Any] | None = None,
    of_ensemble: dict[str, Any] | None = None,
) -> str:
    """Return the page.

    Args:
        results: Results of `bench.py`, by group.
        on_gpu: Results of `make gpu-check`; None if it has not run.
        of_ensemble: Results of `ensemble.py`; None if it has not run.
    """

    def filled(mark: re.Match[str]) -> str:
        if mark[1] == "gpu":
            return gpu(on_gpu)
        if mark[1] == "ensemble":
            return ensemble(of_ensemble)
        return machine(results) if mark[1] == "machine" else table(mark[2], results[mark[2]])

    return MARK.sub(filled, TEMPLATE.read_text(encoding="utf-8"))


def gpu(results: dict[str, Any] | None) -> str:
    """Return the section of a GPU."""
    if results is None:
        return "Not measured."
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    tests = ", ".join(f"{value} {key}" for key, value in results["tests"].items())
    lines = [
        f"Measured on {results['device']}, driver {results['driver']}, with {versions}, on "
        f"{results['date']}; seed {results['seed']}, {results['rounds']} rounds. Tests: {tests}.",
        "",
        "| | ratio to the bare forward pass | seconds of audio a second | peak MiB |",
        "|---|---|---|---|",
    ]
    for row, figures in results["figures"].items():
        for label, value in figures.items():
            peak = "" if value.get("peak_mib") is None else f"{value['peak_mib']:,.0f}"
            speed = f"{value['audio_s_per_s']:,.0f}"
            lines.append(f"| {row}: {label} | {shown(value)} | {speed} | {peak} |")
    for reason in ("skipped", "failed"):
        lines += [f"\n{reason.capitalize()}: {k} ({v})" for k, v in results[reason].items()]
    return "\n".join(lines)


def ensemble(results: dict[str, Any] | None) -> str:
    """Return the table of an ensemble folder."""
    if results is None:
        return "Not measured."
    lines = [
        f"`predict` on {results['recordings']}, {results['rounds']} rounds.",
        "",
        "| | measured | goal |",
        "|---|---|---|",
    ]
    for place, found in results["results"].items():
        for label, value in found.items():
            if label != "target":
                goal = found["target"] if label == "ensemble of five" else ""
                lines.append(f"| {place}: {label} | {shown(value)} | {goal} |")
    return "\n".join(lines)


def machine(results: dict[str, Any]) -> str:
    """Return the processor and the versions of the measurement."""
    devices = sorted({group["device"] for group in results.values()})
    named = sorted({", ".join(map(" ".join, g["versions"].items())) for g in results.values()})
    return f"Measured on {'; '.join(devices)}, with {'; '.join(named)}."


def table(name: str, group: dict[str, Any]) -> str:
    """Return the rows of a group as a Markdown table."""
    figures = group["figures"]
    if name == "memory":
        rows = [
            f"| {label} | {v['loaded']:.0f} | {v['peak']:.0f} |" for label, v in figures.items()
        ]
        return "\n".join(["| variant | loaded | peak |", "|---|---|---|", *rows])
    if name == "curves":
        lines = []
        for label, by_size in figures.items():
            values = ", ".join(f"{size}: {value:.3g} s" for size, value in by_size.items())
            lines.append(f"- {label}: {values}")
        return "\n".join(lines)
    rows = [f"| {label} | {shown(v)} | {GOALS.get(label, '')} |" for label, v in figures.items()]
    return "\n".join(["| | measured | goal |", "|---|---|---|", *rows])


def shown(value: Any) -> str:
    """Return a ratio with its quartiles, or a plain number."""
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{number(value['median'])} [{number(value['low'])}, {number(value['high'])}]"


def number(value: float) -> str:
    """Return a ratio with two decimals, or four below 0.1."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def stored(name: str = "bench-cpu") -> dict[str, Any] | None:
    """Return stored results; None if the file does not exist."""
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text()) if file.is_file() else None


if __name__ == "__main__":
    PAGE.write_text(page(stored(), stored("gpu"), stored("ensemble")), encoding="utf-8")
