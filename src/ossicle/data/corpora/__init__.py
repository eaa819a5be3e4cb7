"""The readers of labelled recordings, one file each; a new one is a line here."""

from ossicle.data.corpora import audiofolder, demo, emodb, esc50, fsdd, manifest
from ossicle.data.corpora.base import Corpus, Example, Option, card, option_rows

CORPORA: dict[str, Corpus] = {
    corpus.name: corpus
    for corpus in (
        audiofolder.CORPUS,
        manifest.CORPUS,
        fsdd.CORPUS,
        esc50.CORPUS,
        emodb.CORPUS,
        demo.CORPUS,
    )
}

__all__ = ["CORPORA", "Corpus", "Example", "Option", "card", "option_rows"]
