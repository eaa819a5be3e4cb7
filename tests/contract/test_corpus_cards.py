"""The reference page of corpora is generated from the readers' descriptions.

Regenerate the page with `python tests/contract/test_corpus_cards.py > docs/reference/corpora.md`.
"""

import sys
from pathlib import Path

from ossicle.data.corpora import CORPORA, card, option_rows

PAGE = Path(__file__).parents[2] / "docs/reference/corpora.md"
HEAD = """# Corpora

`--data READER:PATH?option=value&option=value` reads a corpus as its publisher releases it;
`ossicle corpora READER` prints the same description. How a data string is written, and what is
done to a recording, is in [Use your own recordings](../how-to/own-recordings.md).

Every reader has two more options:

| option | meaning |
|---|---|
| `map=OLD=NEW,...` | labels are renamed; two may get the same name |
| `where=COLUMN=VALUE,...` | only these recordings are kept, by labels after `map` |

`A + B` is the data of both strings. See [Join and divide corpora](../how-to/domains.md).
"""


def page() -> str:
    parts = [HEAD]
    for corpus in CORPORA.values():
        about = card(corpus)
        parts.append(f"## `{about.pop('name')}`\n\n{about.pop('what')}\n")
        parts += [f"- **{heading}**: {text}" for heading, text in about.items()]
        parts.append("")
        if rows := option_rows(corpus):
            parts.append("| option | meaning | default |\n|---|---|---|")
            for name, meaning, default in rows:
                parts.append(f"| `{name}` | {meaning} | {f'`{default}`' if default else ''} |")
            parts.append("")
    return "\n".join(parts)


def test_the_page_is_the_cards():
    assert PAGE.read_text(encoding="utf-8") == page()


if __name__ == "__main__":
    sys.stdout.write(page())
