"""Objects as small pieces of HTML, which notebooks show; all text is escaped."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

# Control characters but for tab and line feed, and halves of surrogate pairs
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_CARD: Final = """\
<div style="max-width: 60em; overflow-x: auto">
<p><strong>{{ title }}</strong></p>
{% if facts %}<table>
{% for name, text in facts.items() %}<tr><th style="text-align: left; vertical-align: top">\
{{ name }}</th><td style="text-align: left; white-space: normal; overflow-wrap: anywhere">\
{{ text }}</td></tr>
{% endfor %}</table>
{% endif %}{% for table in tables %}<table>
{% if table.title %}<caption style="text-align: left">{{ table.title }}</caption>
{% endif %}<thead><tr>{% for name in table.columns %}\
<th style="text-align: {{ table.align(loop.index0) }}">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows %}<tr>{% for cell in row %}\
<td style="text-align: {{ table.align(loop.index0) }}">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table>
{% endfor %}{% for note in notes %}<p>{{ note }}</p>
{% endfor %}</div>"""


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of texts.

    Attributes:
        columns: Column headings.
        rows: A text for each column.
        title: Heading; empty: none.
        right: Columns from this one on are right-aligned; None: none is.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    right: int | None = None

    def align(self, column: int) -> str:
        """Return the alignment of a column."""
        return "right" if self.right is not None and column >= self.right else "left"


def card(
    title: str,
    facts: Mapping[str, str] | None = None,
    tables: Sequence[TextTable] = (),
    notes: Sequence[str] = (),
) -> str:
    """Return a heading, names with texts, tables and sentences as HTML.

    Args:
        title: The heading.
        facts: A text for each name.
        tables: The tables.
        notes: Sentences below the tables.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    template = environment.from_string(_CARD)
    return template.render(title=title, facts=facts or {}, tables=tables, notes=notes)


def printable(text: str) -> str:
    """Return a text with U+FFFD in place of each character that a page or file cannot hold."""
    if text.isprintable():  # nearly always, and fast
        return text
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))
