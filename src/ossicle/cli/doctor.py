"""`ossicle doctor`: whether this installation works."""

from dataclasses import asdict
from typing import Final

import typer

from ossicle.cli import options as o

BROKEN_STATUS: Final = 1


def doctor(json: o.AsJson = False) -> None:
    """Examine this installation: packages, device, folders and memory; status 1 if it is broken."""
    from ossicle.doctor import examine

    findings = examine()
    broken = [one.name for one in findings if one.status == "broken"]
    if json:
        o.print_json({"usable": not broken, "findings": [asdict(one) for one in findings]})
    else:
        width = max(len(one.name) for one in findings)
        for one in findings:
            print(f"{one.status:<6}  {one.name:<{width}}  {one.text}")
            if one.fix:
                print(f"{'':<6}  {'':<{width}}  -> {one.fix}")
        print(f"Broken: {', '.join(broken)}." if broken else "Everything that is needed works.")
    if broken:
        raise typer.Exit(BROKEN_STATUS)
