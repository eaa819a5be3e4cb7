"""Names of repositories, and texts of a run without the folders of a machine."""

from pathlib import Path

import pytest

from ossicle.errors import HubError
from ossicle.hub import name_of
from ossicle.paths import HubName
from ossicle.training.scrubber import Scrubber, shared_backbone, shared_data


@pytest.mark.parametrize(
    ("text", "repo", "revision"),
    [
        ("hf:me/run", "me/run", None),
        ("hf:me/run.v-2@main", "me/run.v-2", "main"),
        (Path("hf:me/run@refs/pr/3"), "me/run", "refs/pr/3"),
    ],
)
def test_a_name_on_the_hub(text: str | Path, repo: str, revision: str | None) -> None:
    assert HubName.parse(text) == HubName(repo, revision)
    assert str(HubName(repo, revision)) == str(text)


@pytest.mark.parametrize("text", ["hf:", "hf:me", "hf:me/a/b", "hf:me/run@", "hf:me/run@a b"])
def test_a_name_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(HubError, match="expected hf:USER/NAME or hf:USER/NAME@REVISION"):
        HubName.parse(text)
    assert HubName.parse(text.removeprefix("hf:")) is None


def test_a_downloaded_run_has_the_name_of_its_repository() -> None:
    assert name_of(Path("/x/models--me--my-run/snapshots/0123")) == "my-run"
    assert name_of(Path("/x/snapshots/0123")) == "0123"


def test_local_paths_are_replaced_by_their_last_part() -> None:
    scrub = Scrubber({"/home/Jane Doe/data": "data", "a:b/c": "a:c"})
    assert scrub.text("in '/home/Jane Doe/data', 3 rows") == "in 'data', 3 rows"
    assert scrub.text("noise(/srv/x/rain.wav) or C:\\Users\\me\\a.wav") == (
        "noise(rain.wav) or a.wav"
    )
    assert scrub({"a": ["~/x/y/z", 3, None]}) == {"a": ["z", 3, None]}
    for kept in ("lora@attn.q/attn.v", "https://a.org/b/c", "and/or", "hf:me/run", "1/2/3 and"):
        assert scrub.text(kept) == kept


def test_data_and_backbones_are_named_without_their_folders() -> None:
    assert shared_data("fsdd:/srv/me/fsdd?test_speaker=theo + demo") == (
        "fsdd:fsdd?test_speaker=theo + demo"
    )
    assert shared_data("/gone/patients/list.csv?where=style=acted") == "list.csv"
    assert shared_backbone("openai/whisper-base?length=5", None) == "openai/whisper-base?length=5"
    assert shared_backbone("/srv/w/base?length=5", "a/b") == "a/b?length=5"
    with pytest.raises(HubError, match="the folder '/srv/w/base', which others do not have"):
        shared_backbone("/srv/w/base", None)
