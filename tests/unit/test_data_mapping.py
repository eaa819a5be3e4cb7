"""Files and texts of new names of labels."""

from pathlib import Path

import pytest

from ossicle.data.mapping import read_mapping
from ossicle.errors import DataError

WANTED = {"anger": "Angry", "joy, loud": "Happy = 1"}


def test_a_text_and_two_kinds_of_file_say_the_same(tmp_path: Path) -> None:
    table, data = tmp_path / "names.csv", tmp_path / "names.JSON"
    table.write_text('new,old\nAngry,anger\nHappy = 1,"joy, loud"\n', encoding="utf-8")
    data.write_text('{"anger": "Angry", "joy, loud": "Happy = 1"}', encoding="utf-8")
    assert read_mapping("anger=Angry,joy%2C loud=Happy %3D 1") == WANTED
    assert read_mapping(str(table)) == WANTED
    assert read_mapping(str(data)) == WANTED


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '["anger"]', "a.json' cannot be read"),
        ("a.json", '{"anger": 1}', r"does not give a name for 'anger'. Write"),
        ("a.json", '{"anger": ""}', r"does not give a name for 'anger'. Write"),
        ("a.json", '{"a": "b", "a": "c"}', "a.json' cannot be read"),
        ("a.csv", "from,to\na,b\n", "has the columns from, to; expected old and new"),
        ("a.csv", "old,new\na,\n", "row 2 has an empty field"),
        ("a.csv", "old,new\na,b\na,c\n", "--map-labels renames 'a' to 'b' and to 'c'"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_mapping(str(tmp_path / name))
