"""AudioSet: tables and clips that do not match."""

import pytest

from ossicle.data import CORPORA, open_data
from ossicle.errors import DataError

SEGMENTS, NAMES = "balanced_train_segments.csv", "class_labels_indices.csv"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            SEGMENTS,
            "/m/2",
            "/m/9",
            r"has 1 labels that are not in class_labels_indices.csv: /m/9",
        ),
        (SEGMENTS, " 10.000,", "", r"4 lines are not like .*: aaaaaaaaaa0,0.000,/m/1"),
        (NAMES, "display_name", "name", r"has no column display_name"),
        (NAMES, "Rain, drops", "Rain|drops", r"Rain\|drops contain '\|'"),
    ],
)
def test_a_table_that_is_not_the_release_s_is_refused(tree, file, old, new, message):
    files = CORPORA["audioset"].example.files
    root = tree({**files, file: files[file].replace(old, new)})
    with pytest.raises(DataError, match=message):
        open_data(f"audioset:{root}")


def test_a_duplicate_clip_is_refused(tree):
    root = tree({**CORPORA["audioset"].example.files, "audio/x/Yaaaaaaaaaa0.flac": None})
    with pytest.raises(DataError, match=r"has two files of clip aaaaaaaaaa0: .*0.wav and .*0.flac"):
        open_data(f"audioset:{root}")
