"""An ensemble folder answers as its members do by hand, and is refused where they have changed."""

import json
import logging
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ossicle.adapters.folder import FACTS, TENSORS
from ossicle.backbones import load_backbone
from ossicle.checksums import seal, unseal
from ossicle.data import Utterance, open_data
from ossicle.errors import AdapterFileError, OssicleError, RunError, SplitError
from ossicle.inference import AdapterBank, Ensemble, Group
from ossicle.training import Trained, make_ensemble
from ossicle.training.combine import check_frames
from ossicle.training.config import TrainConfig
from ossicle.training.ensemble_folder import ENSEMBLE, Member, read_ensemble
from ossicle.training.folder import CONFIG, SPLIT, VERSIONS
from ossicle.training.run import train
from tones import PITCH_HZ, write_corpus, write_metadata, write_tone

Configure = Callable[..., TrainConfig]
RECIPES = {"lora": "lora(rank=2)[1:]", "bottleneck": "bottleneck[1:]", "bias": "bias"}


@pytest.fixture(autouse=True)
def _messages(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ossicle")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, settings: Configure) -> dict[str, Path]:
    """Runs of three recipes that have learnt little, so that they do not always agree."""
    folder = tmp_path_factory.mktemp("members")
    for name, recipe in RECIPES.items():
        train(settings(recipe=recipe, epochs=1, lr=1e-3, seed=len(name)), folder / name)
    return {name: folder / name for name in RECIPES}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory, runs: dict[str, Path]) -> Path:
    """An ensemble of copies, with a majority vote."""
    folder = tmp_path_factory.mktemp("ensembles") / "copied"
    make_ensemble(list(runs.values()), folder, vote="majority", device="cpu")
    return folder


@pytest.fixture
def recordings(tmp_path: Path) -> list[Utterance]:
    """Tones of both kinds, new ones, with a true label."""
    made = []
    for seed, label in enumerate([*PITCH_HZ] * 4, start=50):
        write_tone(tmp_path / f"{seed}.wav", label, 0.2 + seed / 1000, seed)
        made.append(Utterance(f"{seed}", tmp_path / f"{seed}.wav", label))
    return made


def answers(folder: Path, recordings: list[Utterance]) -> list[str]:
    return [one["label"] for one in Trained.open(folder, device="cpu").predict(recordings)]


def test_the_answer_is_that_of_most_members(
    runs: dict[str, Path], copied: Path, recordings: list[Utterance]
) -> None:
    by_member = [answers(run, recordings) for run in runs.values()]
    assert len({tuple(one) for one in by_member}) > 1, "the members say the same; change the seeds"
    most = [Counter(votes).most_common(1)[0][0] for votes in zip(*by_member, strict=True)]
    assert answers(copied, recordings) == most


def test_the_frozen_part_runs_once_per_recording_for_all_members(
    runs: dict[str, Path], settings: Configure, tmp_path: Path
) -> None:
    """Both members change layer 1 alone: CNN and layer 0 are frozen."""
    make_ensemble([runs["lora"], runs["bottleneck"]], tmp_path / "two", link=True, device="cpu")
    cnn, first, second = rows_of(tmp_path / "two", settings().data)
    assert (cnn, first, second) == (6, 6, 12)
    assert rows_of(runs["lora"], settings().data) == [6, 6, 6]


def rows_of(folder: Path, data: str) -> list[int]:
    """Return how many rows run through the CNN and both layers in an evaluation."""
    trained = Trained.open(folder, device="cpu")
    (group,) = trained.predictor.groups
    paths = ("feature_extractor", "encoder.layers.0", "encoder.layers.1")
    rows = Counter[str]()
    for path in paths:
        group.backbone.model.get_submodule(path).register_forward_hook(
            lambda module, given, made, path=path: rows.update({path: len(given[0])})  # noqa: ARG005 - as torch calls it
        )
    assert trained.evaluate(data, batch_size=4)["count"] == 6
    return [rows[path] for path in paths]


@pytest.mark.thorough
def test_an_ensemble_is_used_where_its_members_are_no_longer(
    runs: dict[str, Path], recordings: list[Utterance], tmp_path: Path
) -> None:
    here = tmp_path / "here"
    own = [shutil.copytree(run, here / name) for name, run in runs.items()]
    make_ensemble(own, here / "ensemble", device="cpu")
    before = answers(here / "ensemble", recordings)
    shutil.move(here / "ensemble", tmp_path / "moved")
    shutil.rmtree(here)
    assert answers(tmp_path / "moved", recordings) == before


@pytest.fixture
def linked(runs: dict[str, Path], tmp_path: Path) -> Path:
    """An ensemble that names runs in a folder next to it."""
    both = [shutil.copytree(runs[name], tmp_path / "x" / name) for name in ("lora", "bias")]
    made = make_ensemble(both, tmp_path / "x" / "linked", link=True, device="cpu")
    assert made.linked
    assert not (made.path / "members").exists()
    return made.path


@pytest.mark.thorough
def test_a_linked_ensemble_and_its_runs_can_be_moved_together(
    linked: Path, recordings: list[Utterance], tmp_path: Path
) -> None:
    before = answers(linked, recordings)
    shutil.move(tmp_path / "x", tmp_path / "y")
    assert answers(tmp_path / "y" / "linked", recordings) == before


@pytest.mark.parametrize("name", [TENSORS, FACTS, SPLIT, CONFIG])
def test_a_linked_member_that_has_changed_is_refused(linked: Path, name: str) -> None:
    file = linked.parent / "bias" / name
    file.write_bytes(file.read_bytes() + b" ")
    match = (
        rf"member 'bias' of .* has changed since the ensemble was made: {name} in .*bias' is not"
    )
    with pytest.raises(AdapterFileError, match=match):
        Trained.open(linked, device="cpu")


def test_a_member_that_is_gone_is_named(linked: Path) -> None:
    shutil.rmtree(linked.parent / "lora")
    with pytest.raises(AdapterFileError, match=r"member 'lora' of .* is missing: there is no"):
        Trained.open(linked, device="cpu")


def edited(facts: dict[str, object], **changes: object) -> str:
    return json.dumps(seal({**unseal(facts), **changes}))


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda text: text.replace("majority", "soft"), "was edited or damaged: its content does"),
        (lambda text: text[:-20], "cannot be read"),
        (lambda text: edited(json.loads(text), format=9), "has format 9; this version of ossicle"),
        (lambda text: edited(json.loads(text), members=[]), "does not name two or more different"),
        (lambda text: edited(json.loads(text), temperature="hot"), "is damaged: temperature"),
        (lambda text: edited(json.loads(text), vote={"name": "x"}), "vote has the name 'x'"),
    ],
)
def test_an_edited_or_damaged_ensemble_is_refused(
    copied: Path, tmp_path: Path, edit: Callable[[str], str], match: str
) -> None:
    shutil.copytree(copied, tmp_path / "edited")
    file = tmp_path / "edited" / ENSEMBLE
    file.write_text(edit(file.read_text()))
    with pytest.raises(AdapterFileError, match=match):
        Trained.open(tmp_path / "edited", device="cpu")


def test_a_member_outside_of_the_folder_is_not_opened(copied: Path, tmp_path: Path) -> None:
    shutil.copytree(copied, tmp_path / "edited")
    file = tmp_path / "edited" / ENSEMBLE
    facts = unseal(json.loads(file.read_text()))
    facts["members"][0]["name"] = "../../copied/members/lora"
    file.write_text(json.dumps(seal(facts)))
    with pytest.raises(AdapterFileError, match=r"and their files: '.*lora'; do not"):
        read_ensemble(tmp_path / "edited")


def test_members_that_do_not_fit_are_refused(
    runs: dict[str, Path], copied: Path, tmp_path: Path
) -> None:
    shutil.copytree(runs["lora"], tmp_path / "other")
    other = tmp_path / "other" / FACTS
    facts = unseal(json.loads(other.read_text()))
    facts["task"] |= {"labels": ["low", "middle"]}
    other.write_text(json.dumps(seal(facts)))
    shutil.copytree(runs["lora"], tmp_path / "same")
    lora, bias = runs["lora"], runs["bias"]
    for members, match in (
        ([lora], "an ensemble needs two or more members"),
        ([lora, lora], "lora' is named twice; the members of an ensemble must differ"),
        ([lora, tmp_path / "same"], "same' holds the same adapter as '.*lora'; the members"),
        ([lora, copied], "copied' is an ensemble; name the runs that are its members instead"),
        ([lora, tmp_path / "gone"], "gone' is not an adapter folder: there is no such folder"),
        ([lora, tmp_path / "other"], r"their labels differ \(high, low; low, middle\)"),
    ):
        with pytest.raises(OssicleError, match=match):
            make_ensemble(members, tmp_path / "new", device="cpu")
    with pytest.raises(RunError, match="copied' has an ensemble in it; choose another folder"):
        make_ensemble([lora, bias], copied, device="cpu")
    with pytest.raises(RunError, match="the vote 'softt' does not exist"):
        make_ensemble([lora, bias], tmp_path / "new", vote="softt", device="cpu")
    assert not (tmp_path / "new").exists()


def test_a_recording_that_one_member_has_learnt_from_is_not_evaluated_on(
    settings: Configure, runs: dict[str, Path], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    rows = write_corpus(data)
    train_and_test = {"train": "test", "test": "train", "valid": "valid"}
    write_metadata(data, [(*row[:3], train_and_test[row[3]]) for row in rows])
    train(settings(recipe="norm", data=f"audiofolder:{data}", epochs=1), tmp_path / "other")
    make_ensemble([runs["lora"], tmp_path / "other"], tmp_path / "both", device="cpu")
    ensemble = Trained.open(tmp_path / "both", device="cpu")
    match = r"6 of the 6 recordings of .* trained member 'other' of this ensemble or chose its best"
    with pytest.raises(SplitError, match=match):
        ensemble.evaluate(settings().data)
    part = tmp_path / "part.csv"
    part.write_text(f"path,label,start_s,duration_s\n{data / 'cleo-low-0.wav'},low,0.1,0.1\n")
    with pytest.raises(SplitError, match="1 of the 1 recordings"):
        ensemble.evaluate(str(part))


def test_a_vote_is_fitted_on_what_no_member_was_trained_on(
    settings: Configure, runs: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    rows = write_corpus(data)
    for name, moved in (("some", {"ben-high-0.wav", "ben-low-1.wav"}), ("all", {"ben"})):
        sides = {
            row[0]: "train" if {row[0], row[2]} & moved else row[3].replace("test", "valid")
            for row in rows
        } | {"cleo-low-0.wav": "test", "cleo-high-0.wav": "test"}
        write_metadata(data, [(*row[:3], sides[row[0]]) for row in rows])
        train(
            settings(recipe="norm", data=f"audiofolder:{data}?speaker_independent=no", epochs=1),
            tmp_path / name,
        )
    made = make_ensemble(
        [runs["lora"], tmp_path / "some"], tmp_path / "made", vote="weighted", device="cpu"
    )
    assert made.valid is not None
    assert made.valid["recordings"] == 4
    assert "2 validation recordings are left out: member 'some' was trained on them" in caplog.text
    with pytest.raises(SplitError, match="member 'all' was trained on the validation"):
        make_ensemble(
            [runs["lora"], tmp_path / "all"], tmp_path / "none", vote="weighted", device="cpu"
        )
    with pytest.raises(SplitError, match="trained member 'lora' of this ensemble"):
        Trained.open(made.path, device="cpu").evaluate(settings().data, side="valid")


@pytest.mark.thorough
def test_without_its_run_a_member_can_vote_but_not_be_fitted(
    runs: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(
        runs["bias"], tmp_path / "bare", ignore=shutil.ignore_patterns(SPLIT, CONFIG, VERSIONS)
    )
    members = [runs["lora"], tmp_path / "bare"]
    with pytest.raises(RunError, match=r"member 'bare' has no split\.json and config\.json"):
        make_ensemble(members, tmp_path / "new", vote="weighted", device="cpu")
    made = make_ensemble(members, tmp_path / "new", device="cpu")
    assert (made.valid, made.temperature) == (None, None)
    assert "nothing is measured on validation recordings: member 'bare' has no" in caplog.text


@pytest.mark.thorough
def test_validation_recordings_that_have_changed_are_refused(
    settings: Configure, tmp_path: Path
) -> None:
    write_corpus(tmp_path / "data")
    for name in ("bias", "norm"):
        config = settings(recipe=name, data=f"audiofolder:{tmp_path / 'data'}", epochs=1)
        train(config, tmp_path / name)
    write_tone(tmp_path / "data" / "ben-low-0.wav", "low", 0.4, 99)
    with pytest.raises(SplitError, match=r"1 validation recordings of .* have changed"):
        make_ensemble(
            [tmp_path / "bias", tmp_path / "norm"],
            tmp_path / "new",
            vote="stacked",
            device="cpu",
        )


@pytest.mark.thorough
def test_members_that_cannot_share_run_on_their_own(
    settings: Configure,
    runs: dict[str, Path],
    recordings: list[Utterance],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    train(settings(recipe="full", epochs=1), tmp_path / "full")
    train(settings(backbone="tiny-ast", recipe="lora[5:]", epochs=1), tmp_path / "ast")
    members = [tmp_path / "ast", runs["lora"], tmp_path / "full", runs["bias"]]
    made = make_ensemble(members, tmp_path / "made", device="cpu")
    ensemble = Trained.open(made.path, device="cpu")
    assert [group.places for group in ensemble.predictor.groups] == [(0,), (1, 3), (2,)]
    assert "Member 'full' runs on a backbone of its own, in a pass of its own: " in caplog.text
    assert "on 2 backbones, between which nothing is shared: tiny-ast of ast; " in caplog.text
    probs = [probs_of(member, recordings) for member in members]
    mean = torch.stack(probs).mean(dim=0)
    assert ensemble.ensemble is not None
    assert ensemble.ensemble.temperature is not None
    scaled = (mean.log() / ensemble.ensemble.temperature).softmax(dim=-1)
    assert torch.allclose(probs_of(made.path, recordings), scaled, atol=1e-4)
    with pytest.raises(RunError, match="is an ensemble of 4 models, and this needs a single one"):
        _ = ensemble.model
    with pytest.raises(RunError, match="names one backbone, 'tiny-ast', and the members are on"):
        Trained.open(made.path, backbone="tiny-ast", device="cpu")


def probs_of(folder: Path, recordings: list[Utterance]) -> torch.Tensor:
    found = Trained.open(folder, device="cpu").predict(recordings)
    return torch.tensor([list(one["probs"].values()) for one in found])


def test_a_model_gives_no_label_where_it_is_less_sure_than_asked(
    copied: Path, runs: dict[str, Path], recordings: list[Utterance]
) -> None:
    for folder in (copied, runs["bias"]):
        trained = Trained.open(folder, device="cpu")
        whole = list(trained.predict(recordings))
        sure = sorted(max(one["probs"].values()) for one in whole)
        threshold = sure[len(sure) // 2]
        for one, before in zip(trained.predict(recordings, abstain=threshold), whole, strict=True):
            assert one["confidence"] == max(before["probs"].values())
            assert one["label"] == (before["label"] if one["confidence"] >= threshold else None)
        for wrong in (-0.1, 1.1, float("nan")):
            with pytest.raises(RunError, match=r"abstain is .*; expected a number from 0 to 1"):
                trained.predict(recordings, abstain=wrong)


@pytest.mark.thorough
def test_a_task_without_a_confidence_cannot_abstain(
    settings: Configure, tmp_path: Path, recordings: list[Utterance]
) -> None:
    data = tmp_path / "data"
    rows = write_corpus(data)
    write_metadata(data, [(row[0], f"{n % 5}.5", *row[2:]) for n, row in enumerate(rows)])
    config = settings(data=f"audiofolder:{data}", task="regression", epochs=1, recipe="bias")
    train(config, tmp_path / "run")
    with pytest.raises(RunError, match="the task regression have no confidence"):
        Trained.open(tmp_path / "run", device="cpu").predict(recordings, abstain=0.5)


@pytest.mark.thorough
def test_the_metrics_of_the_first_member_are_those_of_its_run(
    runs: dict[str, Path], copied: Path
) -> None:
    made = read_ensemble(copied)
    assert made.valid is not None
    for name, run in runs.items():
        valid = json.loads((run / "metrics.json").read_text())["valid"]
        assert made.valid["members"][name]["accuracy"] == pytest.approx(valid["accuracy"])
    assert open_data(made.valid["data"]).valid


def test_backbones_of_different_frame_rates_cannot_be_compared_by_frame(backbone: str) -> None:
    groups = [
        Group(Ensemble(AdapterBank(load_backbone(name)), [name]), 16_000, (place,))
        for place, name in enumerate((backbone, "config:tiny-hubert"))
    ]
    members = [Member("fast", Path("fast")), Member("slow", Path("slow"))]
    with pytest.raises(RunError, match=r"frames in a second: 'fast' 200, 'slow' 50\. Combine runs"):
        check_frames(groups, members, "soft")
    check_frames(groups[:1], members, "soft")
