"""Common Voice: rows that do not match the header."""

import pytest

from ossicle.data import CORPORA, open_data
from ossicle.errors import DataError


@pytest.mark.parametrize("row", ["short", "id\tdev_0.wav\tNo.\t\t\tmore"])
def test_a_row_of_too_few_or_too_many_columns_is_numbered(tree, row):
    files = CORPORA["commonvoice"].example.files
    root = tree({**files, "dev.tsv": f"{files['dev.tsv']}\n{row}"})
    with pytest.raises(
        DataError, match=r"dev.tsv, row 4 has another number of fields than the header"
    ):
        open_data(f"commonvoice:{root}")


def test_a_row_may_lack_columns_that_are_not_read(tree):
    files = CORPORA["commonvoice"].example.files
    root = tree({**files, "clips/d.wav": None, "dev.tsv": f"{files['dev.tsv']}\nid\td.wav\tNo."})
    assert open_data(f"commonvoice:{root}").valid[2].label == "No."
