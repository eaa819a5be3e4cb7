"""OpenAI's own client, against a server on loopback."""

import io

import numpy as np
import openai
import pytest
import soundfile
import torch
from served_adapters import text_of, wav, wave

from ossicle.serving.speech import segments
from ossicle.subtitles import subtitles
from ossicle.training.trained import Trained

pytestmark = [pytest.mark.loopback, pytest.mark.thorough]


@pytest.fixture
def ask(url):
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


@pytest.fixture
def answers(adapters, tmp_path):
    """Function that returns what the library alone answers to a wave."""

    def of(name: str, samples: np.ndarray, *, times: bool = False, prompt: str = ""):
        soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
        trained = Trained.open(adapters[name], device="cpu", times=times)
        (answer,) = trained.predict([tmp_path / "a.wav"], prompt=prompt)
        return answer

    return of


@pytest.mark.parametrize(("seconds", "least"), [(0.5, 1), (2.5, 3)])  # of one window and of three
def test_a_transcript_of_a_text_decoder_in_every_format(ask, answers, seconds, least):
    create, sound = ask.audio.transcriptions.create, {"file": ("a.wav", wav(seconds=seconds))}
    plain = answers("talk", wave(seconds=seconds))["label"]
    timed = answers("talk", wave(seconds=seconds), times=True)
    assert len(timed["segments"]) >= least
    assert create(model="talk", **sound).text == plain
    assert create(model="talk", **sound, language="de", temperature=0, stream=False).text == plain
    assert create(model="talk", **sound, response_format="text") == f"{plain}\n"
    for kind in ("srt", "vtt"):
        found = create(model="talk", **sound, response_format=kind)
        assert found == subtitles(timed["segments"], kind)
    for granularities in ({}, {"timestamp_granularities": ["segment"]}):
        found = create(model="talk", **sound, response_format="verbose_json", **granularities)
        assert (found.text, found.language, found.duration) == (timed["label"], "de", seconds)
        segments = [(one.start, one.end, one.text) for one in found.segments]
        assert segments == [(s["start_s"], s["end_s"], s["text"]) for s in timed["segments"]]
        assert [one.id for one in found.segments] == list(range(len(segments)))
        assert all(one.avg_logprob < 0 < one.compression_ratio for one in found.segments)
        assert all(0 <= one.no_speech_prob <= 1 and one.tokens for one in found.segments)


def test_a_prompt_is_read(ask, answers):
    found = ask.audio.transcriptions.create(model="talk", file=wav(), prompt="ab")
    assert found.text == answers("talk", wave(), prompt="ab")["label"]


def test_a_transcript_of_ctc(ask, answers):
    create, sound = ask.audio.transcriptions.create, {"file": io.BytesIO(wav())}
    text = answers("letters", wave())["label"]
    assert len(text) > 1
    assert create(model="letters", **sound).text == text
    sound["file"].seek(0)
    found = create(model="letters", **sound, response_format="verbose_json")
    assert (found.text, found.language, found.segments) == (text, "und", None)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"temperature": 0.4}, "that of temperature 0; leave it out"),
        ({"language": "tw"}, "adapter 'talk' writes the language 'de', not 'tw'; leave"),
        ({"stream": True}, "transcripts are sent as a whole; leave it out"),
        ({"response_format": "diarized_json"}, "'json', 'text', 'verbose_json', 'srt' or 'vtt'"),
        ({"include": ["logprobs"]}, "there is no field `include..` here; leave it out"),
        ({"timestamp_granularities": ["segment"]}, "needs the `response_format` verbose_json"),
        (
            {"timestamp_granularities": ["word"], "response_format": "verbose_json"},
            "gives no times of words; leave `word` out",
        ),
        ({"prompt": "so " * 50}, "the prompt has 1.. tokens, and the decoder takes 7"),
        ({"model": "letters", "response_format": "srt"}, "writes a text without times"),
        ({"model": "letters", "language": "de"}, "does not know which one that is"),
        ({"model": "letters", "prompt": "so"}, "writes no text, so it has no prompt"),
        ({"model": "mood"}, "writes no transcript: its task is classification"),
        ({"model": "abroad"}, "its task is translation, .*; use /v1/predict"),
    ],
)
def test_what_cannot_be_had_is_refused_in_a_sentence(ask, wanted, message):
    with pytest.raises(openai.UnprocessableEntityError, match=message) as caught:
        ask.audio.transcriptions.create(**{"model": "talk", "file": wav(), **wanted})
    assert caught.value.type == "invalid"


def test_a_model_that_is_not_there_and_a_recording_that_is_none(ask):
    with pytest.raises(openai.NotFoundError, match=r"no adapter 'tall'.* Did you mean 'talk'"):
        ask.audio.transcriptions.create(model="tall", file=wav())
    with pytest.raises(openai.APIStatusError) as caught:
        ask.audio.transcriptions.create(model="talk", file=b"no sound")
    assert caught.value.type == "bad_audio"
    assert 400 <= caught.value.status_code < 500


def test_models_are_the_adapters(ask, adapters):
    found = ask.models.list().data
    assert [one.id for one in found] == list(adapters)
    assert [one.created for one in found] == [int(f.stat().st_mtime) for f in adapters.values()]
    assert {one.object for one in found} == {"model"}


def test_embeddings_are_those_of_the_library(ask, answers):
    waves = [wave(300.0), wave(500.0, seconds=1.6)]  # the second of two windows
    sounds = [text_of(wav(300.0)), text_of(wav(500.0, seconds=1.6))]
    found = ask.embeddings.create(model="voice", input=sounds)
    assert (found.model, [one.index for one in found.data]) == ("voice", [0, 1])
    for one, samples in zip(found.data, waves, strict=True):
        expected = answers("voice", samples)["embedding"]
        np.testing.assert_allclose(one.embedding, expected, rtol=1e-5, atol=1e-5)
    (plain,) = ask.embeddings.create(model="voice", input=sounds[0], encoding_format="float").data
    np.testing.assert_allclose(plain.embedding, found.data[0].embedding, rtol=1e-6)


def test_a_segment_has_its_times_and_those_of_its_window(adapters):
    task = Trained.open(adapters["talk"], device="cpu", times=True).task
    tokens = task.tokens
    letter = tokens.encode("ab")[-1]
    assert tokens.decode([letter])
    ids = [tokens.no_speech, tokens.first_time + 5, letter, tokens.first_time + 20, tokens.end]
    rows = torch.tensor([[one, -0.5] for one in ids])
    (found,) = segments(task, task.placed(rows, 3.0, 4.0))
    assert (found["start"], found["end"], found["seek"]) == (3.0, 3.4, 300)
    assert (found["text"], found["avg_logprob"]) == (tokens.decode([letter]), -0.5)
    assert found["no_speech_prob"] == pytest.approx(np.exp(-0.5))
