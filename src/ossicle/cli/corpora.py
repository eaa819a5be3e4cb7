"""`ossicle corpora`: which corpora can be read, and the card of each."""

import re
from textwrap import fill
from typing import Annotated

import typer

from ossicle.cli import options as o
from ossicle.errors import DataError, did_you_mean


def corpora(
    name: Annotated[str, typer.Argument(help="A reader; without it, all are listed.")] = "",
    json: o.AsJson = False,
) -> None:
    """List the readers of corpora, or show the card of one: layout, size, split, options."""
    from ossicle.data.corpora import CORPORA, card, option_rows

    if name and name not in CORPORA:
        raise DataError(
            f"no reader '{name}'; there are: {', '.join(CORPORA)}.{did_you_mean(name, CORPORA)}"
        )
    if json:
        o.print_json({key: card(CORPORA[key]) for key in CORPORA if name in ("", key)})
    elif name:
        for part, text in card(CORPORA[name]).items():
            print(fill(f"{part:<9} {text}", 88, subsequent_indent=" " * 10))
        if rows := option_rows(CORPORA[name]):
            o.print_table(["option", "meaning", "default"], rows)
    else:
        rows = [[one.name, re.split("[:;,]", one.summary)[0], one.size] for one in CORPORA.values()]
        o.print_table(["reader", "what it is", "size"], rows)
