"""Registry of corpus readers, one file each; a new reader is one line here."""

from ossicle.data.corpora import (
    audiofolder,
    audioset,
    commonvoice,
    cremad,
    demo,
    emodb,
    esc50,
    esd,
    fsc,
    fsdd,
    hf,
    iemocap,
    librilight,
    librispeech,
    manifest,
    msp_improv,
    msp_podcast,
    ravdess,
    snips,
    speechcommands,
    timit,
    urbansound8k,
    urdu,
    voxceleb1,
    webdataset,
)
from ossicle.data.corpora.base import Corpus, Example, Option
from ossicle.data.corpora.card import card, option_rows
from ossicle.data.corpora.folds import Folds

CORPORA: dict[str, Corpus] = {
    corpus.name: corpus
    for corpus in (
        audiofolder.CORPUS,
        manifest.CORPUS,
        webdataset.CORPUS,
        hf.CORPUS,
        fsdd.CORPUS,
        esc50.CORPUS,
        emodb.CORPUS,
        audioset.CORPUS,
        commonvoice.CORPUS,
        cremad.CORPUS,
        esd.CORPUS,
        fsc.CORPUS,
        iemocap.CORPUS,
        librilight.CORPUS,
        librispeech.CORPUS,
        msp_improv.CORPUS,
        msp_podcast.CORPUS,
        ravdess.CORPUS,
        snips.CORPUS,
        speechcommands.CORPUS,
        timit.CORPUS,
        urbansound8k.CORPUS,
        urdu.CORPUS,
        voxceleb1.CORPUS,
        demo.CORPUS,
    )
}

__all__ = ["CORPORA", "Corpus", "Example", "Folds", "Option", "card", "option_rows"]
