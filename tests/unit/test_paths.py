"""Paths given by users."""

from pathlib import Path

import pytest

from ossicle.errors import BackboneError
from ossicle.paths import check_name, expand, fault, find, is_there

LONG = "a" * 300


def test_home_is_expanded_and_an_unknown_user_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    assert expand("~/runs") == Path("/home/anna/runs")
    assert expand("~no-such-user/runs") == Path("~no-such-user/runs")
    assert fault(expand("~no-such-user/runs")) == "there is no user 'no-such-user'"


def test_an_impossible_path_is_reported(tmp_path: Path) -> None:
    assert fault(tmp_path) is None
    assert fault(tmp_path / "new") is None
    assert fault(tmp_path / LONG) == "File name too long"
    assert fault(tmp_path / "a\0b") == "it holds a null character"
    assert not is_there(tmp_path / LONG)
    assert not is_there(tmp_path / "a\0b")


def test_the_first_place_that_has_it_counts(tmp_path: Path) -> None:
    places = (tmp_path / "a", tmp_path / "b", tmp_path / "c")
    for place in places[1:]:
        place.mkdir()
        (place / "data").mkdir()
    assert find("data", places) == tmp_path / "b" / "data"
    assert find("none", places) == tmp_path / "a" / "none"
    assert find(tmp_path / "c" / "data", places) == tmp_path / "c" / "data"


@pytest.mark.parametrize("name", ["./gone", "/gone/x", "a/b/c", "~no-such-user/x", LONG])
def test_a_backbone_that_can_only_be_a_folder_must_exist(name: str) -> None:
    with pytest.raises(BackboneError, match=f"^there is no folder '{name[:200]}'"):
        check_name(name)


def test_the_folders_searched_for_a_backbone_are_reported(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=rf"Looked in '.*', '{tmp_path}'\.$"):
        check_name("./gone", (Path(), tmp_path))
    (tmp_path / "there").mkdir()
    check_name("./there", (Path(), tmp_path))
    for name in ("tiny-hubert", "microsoft/wavlm-base", "config:wavlm-base?seed=1"):
        check_name(name)
