"""`ossicle recipes`: the presets and where they come from."""

from dataclasses import asdict

from ossicle.cli import options as o


def recipes(json: o.AsJson = False) -> None:
    """List the presets with their settings and sources."""
    from ossicle.attach.presets import PRESETS

    if json:
        o.print_json({name: asdict(preset) for name, preset in PRESETS.items()})
        return
    rows = [[name, preset.expression, preset.source] for name, preset in PRESETS.items()]
    o.print_table(["recipe", "expression", "source"], rows)
