"""TIMIT: its phones, its development set, and annotations that are not its own."""

import pytest

from ossicle.data import CORPORA, open_data
from ossicle.data.corpora import timit
from ossicle.errors import DataError

PHONES = """
    aa ae ah ao aw ax ax-h axr ay b bcl ch d dcl dh dx eh el em en eng epi er ey f g gcl h# hh hv
    ih ix iy jh k kcl l m n ng nx ow oy p pau pcl q r s sh t tcl th uh uw ux v w y z zh
""".split()  # noqa: SIM905 - as the documentation lists them


def written(tree, phones):
    files = CORPORA["timit"].example.files
    return tree({**files, "TRAIN/DR1/FCJF0/SX1.PHN": phones})


def test_the_61_phones_fold_into_39(tree):
    lines = "\n".join(f"{n} {n + 1} {phone}" for n, phone in enumerate(PHONES))
    root = written(tree, lines)
    folded, whole = (
        next(one.label for one in open_data(f"timit:{root}{how}").train if "SX1" in one.key)
        for how in ("", "?phones=61")
    )
    assert len(set(whole.split())) == 61
    assert len(set(folded.split())) == 39


def test_validation_is_the_development_set_or_all_other_test_speakers(tree):
    assert (len(timit.CORE), len(timit.DEVELOPMENT)) == (24, 50)
    assert not timit.CORE & timit.DEVELOPMENT
    other = {"TEST/DR2/MPGR1/SX7.WAV": None, "TEST/DR2/MPGR1/SX7.PHN": "0 10 h#"}
    root = tree({**CORPORA["timit"].example.files, **other})
    dataset = open_data(f"timit:{root}")
    assert {one.speaker for one in dataset.valid} == {"FAKS0"}
    assert "1 test speakers are in neither and were skipped" in dataset.note
    everyone = open_data(f"timit:{root}?valid=all")
    assert {one.speaker for one in everyone.valid} == {"FAKS0", "MPGR1"}


@pytest.mark.parametrize(
    ("phones", "message"),
    [
        ("0 10", r"SX1.PHN: expected lines of two sample numbers"),
        ("", r"SX1.PHN: expected lines of two sample numbers"),
        ("0 10 é", r"SX1.PHN is not a text file"),
        ("0 10 xyz", r"SX1.WAV: its .PHN file has xyz, which are not phones of TIMIT"),
    ],
)
def test_an_annotation_of_another_kind_is_refused(tree, phones, message):
    with pytest.raises(DataError, match=message):
        open_data(f"timit:{written(tree, phones)}")
