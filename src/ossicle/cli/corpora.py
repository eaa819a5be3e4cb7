"""`ossicle corpora`: list the corpora that ossicle reads, or describe one."""

import re
from textwrap import fill
from typing import Annotated

import typer

from ossicle.cli import options as o
from ossicle.errors import DataError
from ossicle.settings import check_known


def corpora(
    name: Annotated[
        str, typer.Argument(help="Describe this reader. Default: list all readers.")
    ] = "",
    json: o.AsJson = False,
) -> None:
    """List the readers of corpora, or describe one: layout, size, split, options."""
    from ossicle.data.corpora import CORPORA, card, option_rows

    if name:
        check_known("reader", name, CORPORA, DataError)
    if json:
        o.print_json({key: card(CORPORA[key]) for key in CORPORA if name in ("", key)})
    elif name:
        for part, text in card(CORPORA[name]).items():
            print(fill(f"{part:<9} {text}", 88, subsequent_indent=" " * 10))
        if rows := option_rows(CORPORA[name]):
            o.print_table(["option", "meaning", "default"], rows)
    else:
        rows = [[one.name, _title(one.summary), one.size] for one in CORPORA.values()]
        o.print_table(["reader", "corpus", "size"], rows)


def _title(summary: str) -> str:
    """Return the beginning of a summary up to its first mark outside parentheses."""
    title = re.match(r"(\([^()]*\)|[^:;,])+", summary)
    return summary if title is None else title[0]
