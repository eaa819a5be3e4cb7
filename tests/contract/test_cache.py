"""Training with a cache equals training without one: every method on every family."""

from pathlib import Path

import pytest
import soundfile
import torch

from kinds import ALONE, attached, pairs
from ossicle.data import Dataset, Utterance, scan
from ossicle.data.clips import Clips
from ossicle.frozen.part import open_frozen_part
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Classification
from ossicle.training.config import TrainConfig
from ossicle.training.loop import fit
from tones import tone

SAMPLES = (3200, 2600, 3900, 3001)
CONFIG = TrainConfig(backbone="b", recipe="r", data="d", epochs=2, batch_size=2, lr=1e-2)
BY_KIND = ["linear", "lora[1:]", "lora[1:] + weighted-sum", "full@layer[1:]"]


@pytest.fixture(scope="module")
def utterances(tmp_path_factory) -> tuple[Utterance, ...]:
    root = tmp_path_factory.mktemp("tones")
    made = []
    for number, size in enumerate(SAMPLES):
        file = root / f"{number}.wav"
        soundfile.write(file, tone(300 * (1 + number % 3), size / 16_000, number), 16_000)
        made.append(Utterance.of(file, root, "abc"[number % 3]))
    return tuple(made)


@pytest.fixture
def clips(utterances):
    return Clips(utterances, SAMPLES, 16_000)


def trained(backbone, expression: str, clips: Clips, cache: str, **changes):
    """Return the epochs of a run, its final tensors, and its frozen part."""
    torch.manual_seed(0)
    model = attached(backbone, Recipe.parse(expression))
    said = {"cache": cache, "epochs": 2, "augmented": False, "precision": "float32"} | changes
    scanned = scan(clips.utterances, 16_000, 1)
    contents = {
        one.key: found.content.samples for one, found in zip(clips.utterances, scanned, strict=True)
    }
    frozen = open_frozen_part(model, clips.sizes, contents, **said)
    dataset = Dataset("tones", *[clips.utterances] * 3, False, given=True, note="")
    model.head.num_outputs = 3
    history = fit(model, Classification.from_dataset(dataset), clips, clips, CONFIG, frozen=frozen)
    tensors = {key: p.detach().clone() for key, p in model.trainable().items()}
    return history, tensors, frozen


def alike(one, other) -> bool:
    return one[0] == other[0] and all(torch.equal(one[1][key], other[1][key]) for key in one[1])


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("OSSICLE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("pair", pairs([*ALONE.values(), *BY_KIND]), ids="-".join)
def test_kept_in_float32_every_loss_and_weight_has_the_same_bits(build, pair, clips):
    kind, expression = pair
    without = trained(build(kind), expression, clips, "off")
    first = trained(build(kind), expression, clips, "float32")
    assert alike(first, without)
    again = trained(build(kind), expression, clips, "float32")
    assert alike(again, without)
    rows = len(SAMPLES)
    assert (without[2].computed, without[2].read) == (4 * rows, 0)
    assert (first[2].computed, first[2].read) == (rows, 3 * rows)
    assert (again[2].computed, again[2].read) == (0, 4 * rows)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "pair",
    [
        pair
        for pair in pairs([*ALONE.values(), *BY_KIND])
        if pair[0] == "hubert" or pair[1] == "lora"
    ],
    ids="-".join,
)
def test_kept_in_float16_losses_and_weights_are_nearly_the_same(build, pair, clips):
    kind, expression = pair
    without = trained(build(kind), expression, clips, "off")
    first = trained(build(kind), expression, clips, "float16")
    assert alike(trained(build(kind), expression, clips, "float16"), first)
    for one, other in zip(first[0], without[0], strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=2e-3)
    # All tensors together: Adam's first steps are as large for a gradient that is only rounding.
    mine, theirs = (torch.cat([t.flatten() for t in run[1].values()]) for run in (first, without))
    off = (mine - theirs).norm() / theirs.norm()
    assert off < 0.02, f"the weights are off by {off:.4f}"


def test_recipes_of_one_cut_share_what_is_kept(build, clips):
    trained(build("hubert"), "lora[1:]", clips, "float32")
    *_, other = trained(build("hubert"), "bottleneck[1:]", clips, "float32")
    assert other.computed == 0
    *_, deeper = trained(build("hubert"), "lora", clips, "float32")
    assert deeper.computed == len(SAMPLES)


@pytest.mark.parametrize("what", ["weights", "sound", "precision", "settings"])
def test_outdated_entries_are_recomputed(build, clips, what, tmp_path):
    trained(build("hubert"), "lora[1:]", clips, "float32")
    backbone, changes = build("hubert"), {}
    if what == "weights":  # one value, not among those that the fingerprint hashes
        with torch.no_grad():
            backbone.model.encoder.layers[0].feed_forward.intermediate_dense.weight[-1, -1] += 0.5
    elif what == "settings":
        backbone.extractor.do_normalize = False
    elif what == "precision":
        changes["precision"] = "bfloat16"
    else:
        root = tmp_path / "changed"
        root.mkdir()
        made = []
        for one in clips.utterances:
            wave, rate = soundfile.read(one.path, dtype="int16")
            wave[100] += 1
            soundfile.write(root / one.path.name, wave, rate)
            made.append(Utterance.of(root / one.path.name, root, one.label))
        clips = Clips(tuple(made), SAMPLES, 16_000)
    *_, frozen = trained(backbone, "lora[1:]", clips, "float32", **changes)
    assert frozen.computed == len(SAMPLES)


def test_a_damaged_entry_is_noticed_and_recomputed(build, clips, empty_cache):
    without = trained(build("hubert"), "lora[1:]", clips, "off")
    trained(build("hubert"), "lora[1:]", clips, "float32")
    first, second, third, _ = sorted(empty_cache.rglob("*.safetensors"))
    first.write_bytes(first.read_bytes()[:-100])  # truncated
    content = bytearray(second.read_bytes())
    content[-50] ^= 1  # one bit
    second.write_bytes(content)
    third.write_bytes(b"")
    again = trained(build("hubert"), "lora[1:]", clips, "float32")
    assert alike(again, without)
    assert (again[2].computed, again[2].cache.damaged) == (3, 3)
    *_, healed = trained(build("hubert"), "lora[1:]", clips, "float32")
    assert (healed.computed, healed.cache.damaged) == (0, 0)


def test_a_piece_that_is_cropped_at_random_is_not_kept_and_a_window_is(build, utterances):
    clips = Clips(utterances, SAMPLES, 3000)  # one recording fits, three are cropped
    *_, frozen = trained(build("hubert"), "lora[1:]", clips, "float32")
    windows = [*clips.windows()]
    assert len(windows) == 1 + 2 * 3
    assert frozen.computed == len(windows) + 2 * 3
    assert frozen.read == 2 * 4 + 2 * len(windows) - frozen.computed


@pytest.mark.parametrize(
    ("expression", "changes", "why"),
    [
        ("lora", {"augmented": True}, "--augment changes the waveforms from epoch to epoch"),
        ("lora", {"epochs": 1}, "a single epoch reads every recording once"),
        ("full", {}, "the frozen part costs no time"),
        ("lora", {"cache": "off"}, "--cache off"),
    ],
)
def test_if_a_cache_saves_no_time_nothing_is_kept_and_the_reason_is_reported(
    build, clips, empty_cache, expression, changes, why
):
    *_, frozen = trained(build("hubert"), expression, clips, **{"cache": "auto"} | changes)
    assert (frozen.cache, frozen.why) == (None, why)
    assert not empty_cache.exists()


def test_a_filter_bank_alone_is_not_worth_keeping_and_a_cnn_is(build, clips):
    *_, whisper = trained(build("whisper"), "full", clips, "auto")
    assert whisper.why == "the frozen part costs no time"
    *_, hubert = trained(build("hubert"), "full@encoder", clips, "auto")
    assert (hubert.why, hubert.numbers) == ("it saves time", "float32")


def test_a_cache_that_would_not_fit_is_not_started(build, clips, monkeypatch):
    # 4 recordings, 0.79 s, 50 frames of 64 numbers in a layer for every 4000 samples: about 40 kB
    monkeypatch.setenv("OSSICLE_CACHE_GB", "0.00003")
    *_, frozen = trained(build("hubert"), "lora[1:]", clips, "auto")
    assert frozen.cache is None
    assert frozen.why.endswith("the limit of the cache is 0.0 GB; --cache float16 would fit")
    monkeypatch.setenv("OSSICLE_CACHE_GB", "0.00005")
    assert trained(build("hubert"), "lora[1:]", clips, "auto")[2].cache is not None
