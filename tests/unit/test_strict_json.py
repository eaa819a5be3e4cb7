"""JSON and TOML that the standard library accepts, or rejects with an unusual exception."""

import json
import math
import os

import pytest

from ossicle.strict_json import dumps, loads, loads_toml, read, read_object

DIGITS = "1" * 5000


def test_plain_data_is_returned_as_it_is():
    text = '{"a": [1, -2.5, true, null, "ü"], "b": {"c": 9223372036854775807}}'
    assert loads(text) == {"a": [1, -2.5, True, None, "ü"], "b": {"c": 2**63 - 1}}
    assert loads_toml('a = [1, -2.5, true]\nb.c = "ü"') == {"a": [1, -2.5, True], "b": {"c": "ü"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000 + "]" * 100_000, "more than 32 levels"),
        ('{"a":' * 34 + "1" + "}" * 34, "more than 32 levels"),
        (DIGITS, "integer string conversion"),
        (DIGITS[:4000], "a whole number does not fit into 64 bits"),
        ("[1e999]", "a number is infinite, not a number, or too large"),
        ("[NaN]", "NaN is not a JSON number"),
        ("-Infinity", "-Infinity is not a JSON number"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' is given twice"),
        (r'["\ud800"]', r"the text '\\ud800' is not valid Unicode"),
        (r'{"\ud800": 1}', r"the text '\\ud800' is not valid Unicode"),
        ("{", "Expecting property name"),
        ("", "Expecting value"),
    ],
)
def test_json_that_later_code_cannot_work_with_is_a_value_error(text, message):
    with pytest.raises(ValueError, match=message):
        loads(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 100_000 + "]" * 100_000, "more than 32 levels"),
        ("a = " + "[" * 33 + "]" * 33, "more than 32 levels"),
        (f"a = {DIGITS}", "integer string conversion"),
        ("a = 10000000000000000000", "a whole number does not fit into 64 bits"),
        ("a = inf", "a number is infinite"),
        ("a = nan", "a number is infinite, not a number"),
    ],
)
def test_toml_follows_the_same_rules(text, message):
    with pytest.raises(ValueError, match=message):
        loads_toml(text)


def test_thirty_two_levels_are_fine():
    assert loads("[" * 32 + "]" * 32)


def test_a_file_is_read_by_its_ending(tmp_path):
    (tmp_path / "a.toml").write_text("a = 1")
    (tmp_path / "a.json").write_text('{"a": 1}')
    assert read(tmp_path / "a.toml") == read(tmp_path / "a.json") == {"a": 1}


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(OSError, match="not a regular file"):
        read(tmp_path / "a.json")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(1 << 27)
    with pytest.raises(ValueError, match="it has 134217728 bytes; expected at most 67108864"):
        read(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("text", "kind"), [("[]", "a list"), ("3", "a number"), ("null", "null"), ('"a"', "a text")]
)
def test_another_top_level_than_an_object_is_refused(tmp_path, text, kind):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=f"its top level is {kind}; expected an object"):
        read_object(tmp_path / "a.json")


def test_what_is_not_finite_is_written_as_null_with_the_reason():
    data = {"eer": math.nan, "rows": [{"a": [1.0, math.inf]}, (0.5, -math.inf)], "b": "NaN"}
    assert json.loads(dumps(data)) == {
        "eer": None,
        "rows": [{"a": [1.0, None]}, [0.5, None]],
        "b": "NaN",
        "undefined": {"eer": "not a number", "rows[0].a[1]": "infinite", "rows[1][1]": "infinite"},
    }
    assert dumps([math.nan]) == "[null]"
    assert dumps({"ä": 0.1}) == '{"ä": 0.1}'
