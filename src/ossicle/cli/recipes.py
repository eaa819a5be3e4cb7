"""`ossicle recipes`: the presets with their sources."""

from dataclasses import asdict
from shutil import get_terminal_size

from ossicle.cli import options as o


def recipes(json: o.AsJson = False) -> None:
    """List the presets with their settings and sources."""
    from ossicle.recipes.presets import PAPERS, PRESETS
    from ossicle.recipes.sets import SETS

    if json:
        o.print_json({name: asdict(preset) for name, preset in PRESETS.items()})
        return
    margin = max(map(len, PRESETS)) + 2
    width = max(get_terminal_size().columns - margin, 30)

    def show(name: str, *texts: str) -> None:
        first, *rest = [line for text in texts for line in o.wrapped(text, width)]
        print("\n".join([f"{name:<{margin}}{first}", *(" " * margin + line for line in rest)]))

    for name, preset in PRESETS.items():
        show(name, preset.expression, preset.source)
    print("\nSets of presets, for --recipes of a study:\n")
    for name, presets in SETS.items():
        show(name, ", ".join(presets))
    print()
    for work, address in PAPERS.items():
        print(f"{work}: {address}")
    print("Numbers: trainable parameters at base size, without head (ast/: and final norm).")
