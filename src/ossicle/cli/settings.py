"""`ossicle settings`: published training settings by name."""

from ossicle.cli import options as o


def settings(json: o.AsJson = False) -> None:
    """List the published training settings for --settings, with their values."""
    from ossicle.training.published import PUBLISHED

    if json:
        o.print_json({name: one.fields for name, one in PUBLISHED.items()})
        return
    rows = []
    for name, one in PUBLISHED.items():
        chosen = [f"{key}={value}" for key, value in one.fields.items()]
        short = [text if len(text) < 60 else f"{text[:56]}..." for text in chosen]
        rows.append([name, one.about, " ".join(short)])
    o.print_table(["settings", "data and source", "values"], rows)
