"""Generation by the decoder of a backbone, compared with transformers' own for a whole Whisper."""

import os
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, AutoTokenizer, WhisperForConditionalGeneration

from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone, Encoded, load_backbone, random_backbone
from ossicle.backbones.families import WITH_DECODER
from ossicle.backbones.tokens import Tokens
from ossicle.data import Utterance, load_utterance
from ossicle.heads import DecoderHead
from ossicle.inference.predictor import Group, Predictor
from ossicle.inference.single import SingleModel
from ossicle.recipes.recipe import Recipe
from ossicle.tasks.written import Seq2Seq
from ossicle.writing import Generating

WHISPER = os.environ.get("OSSICLE_WHISPER")
DATA = Path(os.environ.get("OSSICLE_DATA", "../shared/data"))
SUPPRESSED, NOT_FIRST = (70, 71, 72), (73, 74, 75)


def noises(*sizes: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(0, 0.1, size).astype(np.float32) for size in sizes]


@pytest.fixture(scope="module")
def tiny() -> Backbone:
    family = WITH_DECODER["whisper"]
    return random_backbone(family, family.tiny(), "tiny")


@pytest.fixture(scope="module")
def encoded(tiny: Backbone) -> Encoded:
    with torch.no_grad():
        return tiny(*tiny.batch(noises(4000, 16000, 9000, 12000)))


def whole(backbone: Backbone) -> Any:
    """Return transformers' model with the weights of a backbone."""
    config = deepcopy(backbone.model.config)
    config._attn_implementation = "sdpa"
    model = WhisperForConditionalGeneration(config).eval()
    names = {
        f"model.{name if name.startswith('decoder.') else f'encoder.{name}'}": value
        for name, value in backbone.model.state_dict().items()
    }
    model.load_state_dict({**names, "proj_out.weight": names["model.decoder.embed_tokens.weight"]})
    tokens = backbone.tokens
    assert tokens is not None
    kinds = ("transcribe", "translate")
    for key, value in {
        "is_multilingual": True,
        "lang_to_id": {"<|de|>": tokens.special("de")},
        "task_to_id": {kind: tokens.special(kind) for kind in kinds},
        "no_timestamps_token_id": tokens.no_times,
        "decoder_start_token_id": tokens.start,
        "eos_token_id": tokens.end,
        "pad_token_id": tokens.end,
        "suppress_tokens": list(SUPPRESSED),
        "begin_suppress_tokens": list(NOT_FIRST),
    }.items():
        setattr(model.generation_config, key, value)
    return model


def ids_of(row: torch.Tensor, tokens: Tokens) -> list[int]:
    """Return generated ids without the first row, which is no speech, and without the end."""
    ids = [int(one) for one in row[1:, 0]]
    return [one for one in ids if one != tokens.end]


def theirs(ids: Sequence[int], tokens: Tokens) -> list[int]:
    """Return generated ids without the start and without what pads them."""
    last_of_start = max((n for n, one in enumerate(ids) if one == tokens.no_times), default=-1)
    return [one for one in list(ids)[last_of_start + 1 :] if one != tokens.end]


@pytest.mark.parametrize("times", [False, True])
@pytest.mark.parametrize("beams", [1, 3])
def test_generation_equals_that_of_transformers(
    tiny: Backbone, encoded: Encoded, beams: int, times: bool
) -> None:
    decoder = tiny.decoder
    assert decoder is not None
    how = Generating(beams, 12, suppressed=SUPPRESSED, not_first=NOT_FIRST)
    start = decoder.tokens.starting("de", times=times)
    found = decoder.generate(encoded.hidden, None, [start] * 4, how)
    values, _ = tiny.batch(noises(4000, 16000, 9000, 12000))
    expected = whole(tiny).generate(
        values.transpose(1, 2),
        num_beams=beams,
        language="de",
        task="transcribe",
        max_new_tokens=12,
        attention_mask=torch.ones(values.shape[:2]),
        return_timestamps=times,
        force_unique_generate_call=True,  # else it would go on where the times end
    )
    rows = [theirs(row, decoder.tokens) for row in expected.tolist()]
    rows = [row[len(start) :] if row[: len(start)] == start else row for row in rows]
    assert [ids_of(row, decoder.tokens) for row in found] == rows
    assert len({tuple(row) for row in rows}) > 1, "the rows are alike, which shows little"


@pytest.mark.parametrize("beams", [1, 3])
def test_a_row_does_not_depend_on_its_batch(tiny: Backbone, encoded: Encoded, beams: int) -> None:
    decoder = tiny.decoder
    assert decoder is not None
    how = Generating(beams, suppressed=SUPPRESSED)
    starts = [
        decoder.tokens.starting("de"),
        decoder.tokens.starting("de", times=True),
        decoder.tokens.starting("en", prompt="before"),
        decoder.tokens.starting("fr"),
    ]
    most = [5, 9, 7, 14]
    together = decoder.generate(encoded.hidden, None, starts, how, most)
    for number, row in enumerate(together):
        one = encoded.hidden[number : number + 1]
        (alone,) = decoder.generate(one, None, [starts[number]], how, [most[number]])
        assert torch.equal(row[:, 0], alone[:, 0])
        torch.testing.assert_close(row, alone, rtol=1e-4, atol=1e-5)
        assert len(row) <= most[number] + 1


def test_log_probabilities_are_those_of_teacher_forcing(tiny: Backbone, encoded: Encoded) -> None:
    decoder = tiny.decoder
    assert decoder is not None
    tokens = decoder.tokens
    start = tokens.starting("de", prompt="so")
    (row, *_) = decoder.generate(encoded.hidden, None, [start] * 4, Generating(max_tokens=6))
    ids = [int(one) for one in row[:, 0]]
    assert ids[0] == tokens.no_speech
    spelt = torch.tensor([[*start, *ids[1:]]])
    with torch.no_grad():
        scores = decoder.logits(encoded.hidden[:1], None, spelt)[0].log_softmax(dim=-1)
    assert float(row[0, 1]) == pytest.approx(
        float(scores[start.index(tokens.start), tokens.no_speech]), abs=1e-4
    )
    for place, token in enumerate(ids[1:], start=len(start)):
        expected = float(scores[place - 1, token])
        assert float(row[place - len(start) + 1, 1]) == pytest.approx(expected, abs=1e-4)


def test_a_text_ends_at_the_length_that_the_decoder_takes(tiny: Backbone, encoded: Encoded) -> None:
    decoder = tiny.decoder
    assert decoder is not None
    start = decoder.tokens.starting("de")
    endless = Generating(suppressed=(decoder.tokens.end,))
    rows = decoder.generate(encoded.hidden, None, [start] * 4, endless)
    assert [len(row) - 1 for row in rows] == [48 - len(start)] * 4


@pytest.mark.skipif(WHISPER is None, reason="OSSICLE_WHISPER names no folder of a Whisper")
@pytest.mark.skipif(not (DATA / "fsdd").is_dir(), reason="there are no real recordings")
@pytest.mark.thorough
def test_a_pretrained_model_generates_what_transformers_does() -> None:
    assert WHISPER is not None
    backbone = load_backbone(WHISPER, decoder=True)
    decoder = backbone.decoder
    assert decoder is not None
    tokens = decoder.tokens
    files = sorted((DATA / "fsdd" / "recordings").glob("*.wav"))[::700][:3]
    waves = [load_utterance(Utterance(str(file), file, ""), 16000) for file in files]
    values, lengths = backbone.batch(waves)
    with torch.no_grad():
        hidden = backbone(values, lengths).hidden
    start = tokens.starting("en" if tokens.is_multilingual else None)
    how = replace(decoder.generating, max_tokens=20)
    found = decoder.generate(hidden, None, [start] * len(waves), how)
    model = WhisperForConditionalGeneration.from_pretrained(WHISPER, dtype=torch.float32).eval()
    spoken = {"language": "en", "task": "transcribe"} if tokens.is_multilingual else {}
    mask = torch.ones(values.shape[:2])
    expected = model.generate(
        values.transpose(1, 2), attention_mask=mask, max_new_tokens=20, **spoken
    )
    rows = [theirs(row, tokens) for row in expected.tolist()]
    rows = [row[len(start) :] if row[: len(start)] == start else row for row in rows]
    assert [ids_of(row, tokens) for row in found] == rows


@pytest.mark.skipif(WHISPER is None, reason="OSSICLE_WHISPER names no folder of a Whisper")
@pytest.mark.skipif(not (DATA / "emodb").is_dir(), reason="there are no real recordings")
@pytest.mark.thorough
def test_a_pretrained_model_writes_a_long_recording_as_transformers_does() -> None:
    assert WHISPER is not None
    files = sorted((DATA / "emodb").rglob("*.wav"))[::11]
    waves = [load_utterance(Utterance(str(file), file, ""), 16000) for file in files]
    wave = np.concatenate(waves)[: 95 * 16000]
    assert len(wave) == 95 * 16000
    backbone = load_backbone(WHISPER, decoder=True)
    tokens = backbone.tokens
    assert tokens is not None
    language = "de" if tokens.is_multilingual else None
    model, head = AdaptedModel(backbone), DecoderHead(backbone.anatomy, 0)
    model.add("a", Recipe.parse("linear"), head)
    model.use("a")
    without = "greedy(no_speech=1, compression_ratio=100, log_prob=-100)"  # nothing is left out
    task = Seq2Seq(language or "auto").with_decoder(without).with_tokens(tokens)
    task.configure(head)
    found = Predictor((Group(SingleModel(model.eval()), backbone.max_samples),), task)
    mine = found.predict_waves([wave])["segments"]

    stock = WhisperForConditionalGeneration.from_pretrained(WHISPER, dtype=torch.float32).eval()
    spoken = {"language": "de", "task": "transcribe"} if language else {}
    segments = in_windows(stock, wave, **spoken)
    assert [(one["start_s"], one["end_s"]) for one in mine] == [
        (
            pytest.approx(float(one["start"]), abs=0.011),
            pytest.approx(min(float(one["end"]), 95), abs=0.011),  # not after the recording
        )
        for one in segments
    ]
    tokenizer = AutoTokenizer.from_pretrained(WHISPER)
    assert [one["text"] for one in mine] == [
        tokenizer.decode(one["tokens"], skip_special_tokens=True).strip() for one in segments
    ]


def in_windows(stock: WhisperForConditionalGeneration, wave: np.ndarray, **spoken: str) -> Any:
    """Return the segments of a recording that the long form of transformers finds.

    Its model input is that of each window alone, with silence after the last one, as here.
    transformers takes it from the log-mel of the whole recording, which is louder or quieter by the
    loudest moment of the whole, and fills the last window with zeros of the log-mel.
    """
    extractor = AutoFeatureExtractor.from_pretrained(WHISPER)

    def window(*, seek: torch.Tensor, **_: Any) -> torch.Tensor:
        start = int(seek[0]) * 160
        part = wave[start : start + 30 * 16000]
        return extractor(part, sampling_rate=16000, return_tensors="pt")["input_features"]

    values = extractor(
        wave,
        sampling_rate=16000,
        return_tensors="pt",
        truncation=False,
        padding="longest",
        return_attention_mask=True,
    )
    with patch.object(stock, "_get_input_segment", window):
        found = stock.generate(**values, return_timestamps=True, return_segments=True, **spoken)
    return found["segments"][0]
