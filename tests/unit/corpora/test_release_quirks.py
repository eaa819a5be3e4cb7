"""Quirks of releases: other spellings, gaps, and files of macOS."""

import pytest

from ossicle.data import CORPORA, open_data
from ossicle.errors import DataError


@pytest.fixture
def example(tree):
    return lambda name: tree(CORPORA[name].example.files)


def change(path, old, new):
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("tags", "label"),
    [
        ("O artist artist O city", "PLAY B-artist THE BEATLES E-artist IN B-city ROME E-city"),
        ("O artist city O O", "PLAY B-artist THE E-artist B-city BEATLES E-city IN ROME"),
        ("O B-artist B-artist O O", "PLAY B-artist THE E-artist B-artist BEATLES E-artist IN ROME"),
        ("O B-artist I-artist O O", "PLAY B-artist THE BEATLES E-artist IN ROME"),
    ],
)
def test_slots_are_named_with_or_without_b_and_i(tree, tags, label):
    names = ("Ivy-snips-train-0", "Amy-snips-valid-0", "Emma-snips-test-0")
    files = {f"{name.split('-')[2]}/{name}.wav": None for name in names}
    table = "".join(f"{name} BOS PLAY THE BEATLES IN ROME EOS\tO {tags} X\n" for name in names)
    root = tree({**files, "all.iob.snips.txt": table})
    assert open_data(f"snips:{root}").labels == (label,)


def test_iemocap_passes_over_files_of_macos_and_names_turns_it_cannot_read(example):
    root = example("iemocap")
    folder = root / "Session1/dialog/EmoEvaluation"
    (folder / "._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07\xa3\xff")
    assert len(open_data(f"iemocap:{root}").utterances) == 6
    change(folder / "Ses01F_impro01.txt", "[2.5000, 3.0000", "[NaN, 3.0000")
    with pytest.raises(DataError, match=r"1 turns cannot be read \(Ses01F_impro01.txt: \[1.0000"):
        open_data(f"iemocap:{root}")


def test_msp_improv_needs_dominance_for_dimensions_alone(example):
    root = example("msp-improv")
    change(root / "Evalution.txt", "D:2.0", "D:NaN")
    assert len(open_data(f"msp-improv:{root}").utterances) == 6
    numbers = open_data(f"msp-improv:{root}?label=dimensions")
    assert len(numbers.utterances) == 5
    assert "1 turns without all three dimensions were skipped" in numbers.note
    change(root / "Evalution.txt", "-P-FM01.avi; A;", "-P-FM01.avi;")
    with pytest.raises(DataError, match=r"1 turns cannot be read \(UTD-IMPROV-S01A-F01"):
        open_data(f"msp-improv:{root}")


def test_msp_podcast_reads_release_1_8(example):
    root = example("msp-podcast")
    assert "unknown" not in open_data(f"msp-podcast:{root}").note
    table = root / "Labels/labels_consensus.csv"
    table.write_text(table.read_text().replace("Development", "Validation"))
    table.rename(table.with_name("labels_concensus.csv"))
    assert len(open_data(f"msp-podcast:{root}").valid) == 2


def test_esd_takes_sides_from_numbers_whatever_is_missing(tree):
    root = tree(
        {
            f"0011/{emotion}/0011_{first + number:06d}.wav": None
            for emotion, first in (("Neutral", 0), ("Angry", 350))
            for number in (1, 20, 21, 50, 51, 350)
        }
        | {"0011/Angry/._0011_000351.wav": None}
    )
    sides = open_data(f"esd:{root}").sides
    assert {side: sorted(one.path.stem[-3:] for one in part) for side, part in sides.items()} == {
        "train": ["051", "350", "401", "700"],
        "valid": ["001", "020", "351", "370"],
        "test": ["021", "050", "371", "400"],
    }
    tree({"0011/Angry/Train/0011_000401.wav": None})
    with pytest.raises(DataError, match=r"1 recordings have no split \(0011/Angry/Train/"):
        open_data(f"esd:{root}")
