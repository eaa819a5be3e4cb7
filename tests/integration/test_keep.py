"""A stage that keeps what its parent run has learnt: whole runs, interrupted ones, bad input."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from test_resume import as_in_a_new_process, outcome

from ossicle.adapters.folder import TENSORS
from ossicle.adapters.saving import read_tensors
from ossicle.continual import KEEPS
from ossicle.errors import DataError, RunError, SplitError
from ossicle.training.config import TrainConfig
from ossicle.training.folder import FISHER, LOG, METRICS, PARENT, SPLIT, read_json
from ossicle.training.run import train
from tones import write_corpus, write_metadata

Configure = Callable[..., TrainConfig]
QUICK = "dann"
each_way = pytest.mark.parametrize(
    "name",
    [name if name == QUICK else pytest.param(name, marks=pytest.mark.thorough) for name in KEEPS],
)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other recordings of the same labels."""
    root = tmp_path_factory.mktemp("data") / "target"
    write_corpus(root, takes=3, seconds=0.35)
    return root


@pytest.fixture(scope="module")
def stage(settings: Configure, finished: Path, target: Path) -> Configure:
    """Return the configuration of a second stage, with changes."""

    def configure(**changes: object) -> TrainConfig:
        given = {
            "parent": str(finished),
            "data": f"audiofolder:{target}",
            "recipe": "",
            "epochs": 2,
        }
        return settings(**{**given, **changes})

    return configure


def history(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


@each_way
def test_an_interrupted_stage_is_resumed_to_the_same_bits(
    stage: Configure, tmp_path: Path, interrupt: Callable[..., None], name: str
) -> None:
    config = stage(keep=name)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(config, whole, test=False)
    interrupt(config, parts, epoch=2)
    as_in_a_new_process()
    train(config, parts, resume=True, test=False)
    assert outcome(parts) == outcome(whole)
    has_penalty = name not in ("replay", "interpolate")
    assert all(("penalty" in epoch) == has_penalty for epoch in history(whole))


@pytest.mark.thorough
@each_way
def test_a_way_changes_what_is_learnt(stage: Configure, tmp_path: Path, name: str) -> None:
    train(stage(), tmp_path / "free", test=False)
    strong = {"replay": "share=1", "interpolate": "share=0.1"}.get(name, "strength=1000")
    train(stage(keep=f"{name}({strong})"), tmp_path / "kept", test=False)
    found = [read_tensors(tmp_path / run / TENSORS)[0] for run in ("free", "kept")]
    assert any(not torch.equal(value, found[1][key]) for key, value in found[0].items())
    start, _ = read_tensors(tmp_path / "kept" / PARENT / TENSORS)
    if name in ("l2-sp", "interpolate"):  # they stay near to the start
        moved = [sum((one[key] - start[key]).square().sum() for key in start) for one in found]
        assert moved[1] < 0.5 * moved[0]


def test_replayed_recordings_are_listed_as_trained_on(stage: Configure, tmp_path: Path) -> None:
    """The parent has three training recordings of each of two labels; half of three is two."""
    train(stage(keep="replay(share=0.5)"), tmp_path / "run", test=False)
    own, parent = (read_json(tmp_path / "run" / name / SPLIT) for name in ("", PARENT))
    replayed = {key: text for key, text in own["train"].items() if key.startswith("stage 1: ")}
    assert sorted(key.split("-")[1] for key in replayed) == ["high"] * 2 + ["low"] * 2
    assert len(own["train"]) == 6 + 4
    for key, text in replayed.items():
        assert parent["train"][key.removeprefix("stage 1: ")] == text


def test_a_replayed_recording_cannot_be_among_the_new_test_recordings(
    stage: Configure, tmp_path: Path, corpus: Path
) -> None:
    """The new test speaker is the one that the parent was trained on."""
    rows = (corpus / "metadata.csv").read_text().splitlines()
    swapped = {"train": "test", "test": "train"}
    made = tmp_path / "swapped"
    made.mkdir()
    lines = [rows[0]]
    for row in rows[1:]:
        name, label, speaker, side = row.split(",")
        (made / name).write_bytes((corpus / name).read_bytes())
        lines.append(",".join((name, label, speaker, swapped.get(side, side))))
    (made / "metadata.csv").write_text("\n".join(lines))
    with pytest.raises(SplitError, match="recordings"):
        train(stage(data=f"audiofolder:{made}", keep="replay(share=1)"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.thorough
def test_fisher_information_is_summed_over_stages(stage: Configure, tmp_path: Path) -> None:
    """The third stage starts from the second, which has that of the first."""
    second, third = tmp_path / "second", tmp_path / "third"
    train(stage(keep="ewc(strength=10)"), second, test=False)
    again = stage(keep="ewc(strength=10)", parent=str(second), epochs=1, lr=1e-9)
    train(again, third, test=False)
    before, after = (read_tensors(run / FISHER)[0] for run in (second, third))
    assert (third / PARENT / FISHER).read_bytes() == (second / FISHER).read_bytes()
    assert before.keys() == after.keys()
    assert any(key.startswith("head/") for key in before)
    assert all((after[key] >= before[key]).all() for key in before)
    assert any((after[key] > before[key]).any() for key in before)


@pytest.mark.thorough
def test_a_parent_without_fisher_information_has_it_computed_from_all_its_stages(
    stage: Configure, tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ossicle.training import keeping

    read: list[int] = []
    original = keeping.fisher_information

    def counted(single: Any, answers: Any, clips: Any, *rest: Any, **more: Any) -> Any:
        read.append(len(clips.utterances))
        return original(single, answers, clips, *rest, **more)

    monkeypatch.setattr(keeping, "fisher_information", counted)
    second = tmp_path / "second"
    train(stage(), second, test=False)
    last = stage(keep="ewc", parent=str(second), data=f"audiofolder:{corpus}", epochs=1)
    train(last, tmp_path / "third", test=False)
    assert read == [6 + 6]


@pytest.fixture(scope="module")
def renamed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings with one label that the parent run has, `high`, and one that it does not have."""
    root = tmp_path_factory.mktemp("data") / "renamed"
    rows = write_corpus(root, takes=3, seconds=0.25)
    write_metadata(
        root, [(file, label.replace("low", "flat"), *rest) for file, label, *rest in rows]
    )
    return root


@pytest.mark.thorough
@each_way
def test_a_head_with_outputs_for_new_labels_can_keep_the_old_ones(
    stage: Configure, tmp_path: Path, renamed: Path, name: str
) -> None:
    """The head has flat, high and low; the parent's has high and low."""
    data = f"audiofolder:{renamed}"
    train(stage(data=data, keep=name, head_from="extend"), tmp_path / "run", test=False)
    facts = read_json(tmp_path / "run" / "recipe.json")
    assert facts["task"]["labels"] == ["flat", "high", "low"]
    if name == "ewc":
        fisher, _ = read_tensors(tmp_path / "run" / FISHER)
        informed = fisher["head/linear.weight"].sum(dim=1) > 0
        assert informed.tolist() == [False, True, True]


@pytest.mark.thorough
def test_fisher_information_follows_the_outputs_of_a_head(
    stage: Configure, tmp_path: Path, renamed: Path
) -> None:
    """The second stage has flat, high and low; the third keeps high and low of them."""
    second, third = tmp_path / "second", tmp_path / "third"
    train(stage(keep="ewc", data=f"audiofolder:{renamed}", head_from="extend"), second, test=False)
    train(stage(keep="ewc", parent=str(second), common_labels=True), third, test=False)
    before, after = (read_tensors(run / FISHER)[0]["head/linear.weight"] for run in (second, third))
    assert before.shape[0] == 3
    assert after.shape[0] == 2
    assert (after >= before[1:]).all()
    assert (before[1:] > 0).any()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"keep": "ewcc"}, RunError, "no way to keep 'ewcc'.*Did you mean 'ewc'"),
        ({"keep": "coral", "freeze": "lora"}, RunError, "only the head or the decoder trains"),
        ({"keep": "ewc", "head_from": "new"}, RunError, "--head-from keep or extend"),
        ({"keep": "lwf", "head_from": "new"}, RunError, "--head-from keep or extend"),
        (
            {"keep": "l2-sp", "freeze": "lora,head", "recipe": "norm"},
            RunError,
            "nothing of it trains here",
        ),
    ],
)
def test_a_way_that_cannot_act_is_refused_before_anything_is_written(
    stage: Configure, tmp_path: Path, changes: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train(stage(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("way", ["replay", pytest.param("coral", marks=pytest.mark.thorough)])
def test_earlier_recordings_that_have_changed_are_an_error(
    settings: Configure, stage: Configure, tmp_path: Path, way: str
) -> None:
    own = tmp_path / "own"
    write_corpus(own, takes=2, seconds=0.4)
    first = tmp_path / "first"
    train(settings(data=f"audiofolder:{own}", epochs=1), first, test=False)
    every = f"{way}(share=1)" if way == "replay" else way
    config = stage(parent=str(first), keep=every)
    files = sorted(own.glob("anna-*.wav"))
    before = files[0].read_bytes()
    files[0].write_bytes(files[1].read_bytes())
    with pytest.raises(DataError, match="1 recordings have changed since"):
        train(config, tmp_path / "second")
    files[0].write_bytes(before)
    rows = (own / "metadata.csv").read_text().splitlines()
    (own / "metadata.csv").write_text("\n".join(row for row in rows if "anna-low-1" not in row))
    with pytest.raises(DataError, match=f"--keep {way} needs .* no longer has the same"):
        train(config, tmp_path / "second")
    own.rename(tmp_path / "gone")
    with pytest.raises(DataError, match=f"--keep {way} needs the training recordings of"):
        train(config, tmp_path / "second")
    assert not (tmp_path / "second").exists()


@pytest.mark.thorough
@each_way
def test_full_fine_tuning_can_keep(
    settings: Configure, stage: Configure, tmp_path: Path, name: str
) -> None:
    first = tmp_path / "first"
    train(settings(recipe="full", lr=1e-3, epochs=1), first, test=False)
    config = stage(parent=str(first), keep=name, lr=1e-3, epochs=1)
    assert train(config, tmp_path / "second").test is not None
    assert (tmp_path / "second" / METRICS).is_file()
