"""The description of a corpus, as `ossicle corpora` and the reference page print it."""

from ossicle.data.corpora.base import Corpus
from ossicle.data.roles import LABEL
from ossicle.data.selection import SPEAKER


def card(corpus: Corpus) -> dict[str, str]:
    """Return the description of a corpus, by heading."""
    facts = {
        "name": corpus.name,
        "what": corpus.summary,
        "size": corpus.size,
        "split": corpus.protocol,
    }
    if corpus.folds is not None:
        facts["folds"] = f"chosen by {corpus.folds.option}; --folds all tests each of them once"
    columns = ", ".join((LABEL, SPEAKER, *corpus.columns))
    facts["columns"] = f"{columns}; choose by them with where=COLUMN=VALUE"
    return facts | {"licence": corpus.licence, "source": corpus.source}


def option_rows(corpus: Corpus) -> list[list[str]]:
    """Return name, description and default of every option."""
    return [[name, option.meaning, option.default or ""] for name, option in corpus.options.items()]
