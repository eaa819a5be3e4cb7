"""`ossicle cache`: what is kept of the frozen parts of runs, and how to be rid of it."""

from datetime import datetime
from typing import Any

import typer

from ossicle.cli import options as o

cache = typer.Typer(
    help="What frozen parts made of recordings, kept so that no run computes it again.",
    no_args_is_help=True,
)


@cache.command()
def info(json: o.AsJson = False) -> None:
    """Show where the cache is, how full, and what is in it."""
    from ossicle.frozen.cache import GB, cache_folder, cache_limit, stores

    folder, limit = cache_folder(), cache_limit()
    rows: list[dict[str, Any]] = [
        {
            **{key: facts.get(key) for key in ("backbone", "cut", "numbers", "device", "versions")},
            "entries": len(found),
            "bytes": sum(entry.size for entry in found),
            "used": max((entry.used for entry in found), default=0.0),
        }
        for facts, found in stores(folder)
    ]
    total = sum(row["bytes"] for row in rows)
    if json:
        o.print_json({"folder": str(folder), "limit": limit, "bytes": total, "stores": rows})
        return
    print(f"{folder}: {total / GB:.3f} of at most {limit / GB:g} GB")
    for row in sorted(rows, key=lambda row: -row["used"]):
        when = datetime.fromtimestamp(row["used"]).strftime("%Y-%m-%d %H:%M")
        print(
            f"  {row['bytes'] / 1e6:,.1f} MB, {row['entries']:,} entries, last used {when}: "
            f"{row['backbone']}, {row['cut']}, {row['numbers']}"
        )


@cache.command()
def clear() -> None:
    """Remove everything that is kept; runs that go on compute it again."""
    from ossicle.frozen.cache import GB, cache_folder
    from ossicle.frozen.cache import clear as remove

    folder = cache_folder()
    freed, remaining = remove(folder)
    others = f"; {remaining} folders hold other files, which were left" if remaining else ""
    print(f"{folder}: {freed / GB:.3f} GB freed{others}")
