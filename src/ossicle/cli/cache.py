"""`ossicle cache`: show or clear the cached outputs of frozen layers."""

from datetime import datetime
from typing import Any

import typer

from ossicle.cli import options as o

cache = typer.Typer(
    help="Show or clear the cache: outputs of frozen layers, kept on disk for later runs.",
    no_args_is_help=True,
)


@cache.command()
def info(json: o.AsJson = False) -> None:
    """Show the folder, size and content of the cache."""
    from ossicle.frozen.cache import GB, cache_folder, cache_limit, stores
    from ossicle.frozen.database import database_bytes

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
    scans = database_bytes(folder)
    if json:
        about = {"folder": str(folder), "limit": limit, "bytes": total, "scans_bytes": scans}
        o.print_json({**about, "stores": rows})
        return
    print(f"{folder}: {total / GB:.3f} of at most {limit / GB:g} GB")
    if scans:
        print(f"  {scans / 1e6:,.1f} MB of lengths and hashes of recordings and weights")
    for row in sorted(rows, key=lambda row: -row["used"]):
        when = datetime.fromtimestamp(row["used"]).strftime("%Y-%m-%d %H:%M")
        print(
            f"  {row['bytes'] / 1e6:,.1f} MB, {row['entries']:,} entries, last used {when}: "
            f"{row['backbone']}, {row['cut']}, {row['numbers']}"
        )


@cache.command()
def clear() -> None:
    """Delete everything in the cache; running jobs compute it again."""
    from ossicle.frozen.cache import GB, cache_folder
    from ossicle.frozen.cache import clear as remove
    from ossicle.frozen.database import clear_database

    folder = cache_folder()
    freed, remaining = remove(folder)
    freed += clear_database(folder)
    others = f"; {remaining} folders with other files were kept" if remaining else ""
    print(f"{folder}: {freed / GB:.3f} GB freed{others}")
