"""VoxCeleb1: an identification list that differs from the release."""

import pytest

from ossicle.data import CORPORA, open_data
from ossicle.errors import DataError


def test_recordings_that_the_list_does_not_name_are_counted(tree):
    files = CORPORA["voxceleb1"].example.files
    root = tree({**files, "wav/id10999/v/00001.wav": None})
    dataset = open_data(f"voxceleb1:{root}")
    assert len(dataset.utterances) == 9
    assert "1 recordings that are not in the list were skipped" in dataset.note


@pytest.mark.parametrize("line", ["4 id10001/v/00001.wav", "1"])
def test_a_malformed_line_is_shown(tree, line):
    root = tree({**CORPORA["voxceleb1"].example.files, "iden_split.txt": line})
    with pytest.raises(DataError, match=rf"iden_split.txt, row 1 is '{line}'; expected 1, 2 or 3"):
        open_data(f"voxceleb1:{root}")
