"""Embeddings and scores of pairs over HTTP are those of the library."""

import base64

import numpy as np
import pytest
import soundfile
import torch
from served_adapters import ADAPTERS, text_of, wav, wave

from ossicle.data import Clips, Utterance
from ossicle.frozen.part import BatchRow
from ossicle.inference.embeddings import embed
from ossicle.training.config import TrainConfig
from ossicle.training.run import train
from ossicle.training.trained import Trained

pytestmark = pytest.mark.thorough
NEARLY = {"rtol": 1e-5, "atol": 1e-5}


@torch.no_grad()
def expected(folder, tmp_path, samples):
    """Return what `embed` returns; of a head by frame, the mean of the frames."""
    trained = Trained.open(folder, device="cpu")
    single = trained.predictor.groups[0].model
    if single.model.head.by_frame:
        rows = [BatchRow.of(single.backbone.row(samples))]
        return single.forward_with_embeddings(rows)[1][0].numpy()
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    clips = Clips((Utterance.of(tmp_path / "a.wav", tmp_path, ""),), (len(samples),), trained.limit)
    return embed(single.model, clips, batch_size=1)[0]


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_an_embedding_is_what_the_last_layer_reads(api, adapters, tmp_path, name):
    seconds = 0.5 if name in ("letters", "talk", "abroad") else 1.7
    made = api.post("/v1/embeddings", json={"model": name, "input": text_of(wav(400, seconds))})
    assert made.status_code == 200, made.text
    (data,) = made.json()["data"]
    vector = expected(adapters[name], tmp_path, wave(400, seconds))
    np.testing.assert_allclose(data["embedding"], vector, **NEARLY)
    assert made.json()["dimensions"] == len(vector)


def test_a_recording_comes_in_any_of_four_ways(api):
    sound, about = wav(400), {"model": "mood", "encoding_format": "base64"}
    made = [
        api.post("/v1/embeddings", files={"file": ("a.wav", sound)}, data=about),
        api.post("/v1/embeddings", params=about, content=sound, headers=_type("audio/wav")),
        api.post("/v1/embeddings", json={**about, "audio": text_of(sound)}),
        api.post("/v1/embeddings", json={**about, "input": [text_of(sound)]}),
    ]
    assert [one.status_code for one in made] == [200] * 4
    vectors = [base64.b64decode(one.json()["data"][0]["embedding"]) for one in made]
    plain = api.post("/v1/embeddings", json={"adapter": "mood", "input": text_of(sound)})
    for one in vectors:
        np.testing.assert_allclose(
            np.frombuffer(one, "<f4"), plain.json()["data"][0]["embedding"], **NEARLY
        )


def test_many_recordings_come_back_in_their_order(api):
    sounds = [text_of(wav(200 + 30 * number)) for number in range(20)]
    made = api.post("/v1/embeddings", json={"model": "mood", "input": sounds}).json()
    for number in (0, 7, 19):
        (alone,) = api.post(
            "/v1/embeddings", json={"model": "mood", "input": sounds[number]}
        ).json()["data"]
        np.testing.assert_allclose(made["data"][number]["embedding"], alone["embedding"], **NEARLY)
    sounds[3] = text_of(b"no sound")
    refused = api.post("/v1/embeddings", json={"model": "mood", "input": sounds})
    assert (refused.status_code, refused.json()["error"]["type"]) == (422, "bad_audio")


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"model": "mood"}, 422, "send the recording in base64 as `input` or as `audio`"),
        ({"input": "", "audio": ""}, 422, "one of them"),
        ({"model": "mood", "adapter": "voice", "input": "AAAA"}, 422, "name two adapters"),
        ({"model": "mood", "input": "A"}, 400, "`input` is not base64"),
        ({"model": "mood", "audio": ["AA"]}, 422, "`audio`"),
        ({"model": "mood", "input": []}, 422, "`input`: List should have at least 1"),
        ({"model": "mood", "input": "AA", "user": "me"}, 422, "no field `user` here; leave it"),
        ({"input": "AAAA"}, 422, "the request names no adapter"),
        ({"model": "mood", "input": text_of(wav()), "dimensions": 2}, 422, "have 64 dimensions"),
        ({"model": "mood", "input": text_of(wav(400, 0.001))}, 422, "is 1 ms long, and"),
    ],
)
def test_embeddings_that_cannot_be_had_are_refused_in_a_sentence(api, body, status, message):
    made = api.post("/v1/embeddings", json=body)
    assert made.status_code == status, made.text
    assert message in made.json()["error"]["message"]


def test_a_score_is_that_of_predict(api, adapters, tmp_path):
    names = []
    for hz in (300, 800):
        names.append(tmp_path / f"{hz}.wav")
        soundfile.write(names[-1], wave(hz), 16_000, subtype="FLOAT")
    _, second = Trained.open(adapters["voice"], device="cpu").predict(names)
    files = {"first": ("a", wav(300)), "second": ("b", wav(800))}
    sent = [
        {"files": files, "data": {"adapter": "voice"}},
        {"json": {"model": "voice", "first": text_of(wav(300)), "second": text_of(wav(800))}},
    ]
    for one in sent:
        made = api.post("/v1/verify", **one)
        assert made.status_code == 200, made.text
        assert made.json() == {
            "adapter": "voice",
            "score": pytest.approx(second["score"], abs=1e-5),
            "same": None,
            "threshold": None,
        }


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        ({"files": {"first": b"a"}, "data": {"adapter": "voice"}}, 422, "no file `second`"),
        ({"json": {"adapter": "voice", "first": "AA"}}, 422, "the field `second` is missing"),
        ({"content": b"a", "headers": {"content-type": "audio/wav"}}, 415, "send two recordings"),
        ({"files": {"first": b"a", "second": b"a", "third": b"a"}}, 400, "Too many files"),
        (
            {"files": {"first": wav(), "second": wav()}, "data": {"adapter": "mood"}},
            422,
            "does not compare speakers: its task is classification",
        ),
    ],
)
def test_pairs_that_cannot_be_compared_are_refused(api, sent, status, message):
    made = api.post("/v1/verify", **sent)
    assert made.status_code == status, made.text
    assert message in made.json()["error"]["message"]


def test_a_run_knows_the_threshold_of_its_validation_pairs(api, api_engine, corpus, tmp_path):
    config = TrainConfig(
        backbone="tiny-hubert",
        recipe="lora",
        data=str(corpus),
        task="verification",
        epochs=1,
        track="none",
        device="cpu",
    )
    result = train(config, tmp_path / "run", test=False)
    threshold = result.valid["eer_threshold"]
    api_engine.add("verifier", tmp_path / "run", trusted=True)
    try:
        for hz, same in ((2000, True), (300, None)):
            files = {"first": wav(2000), "second": wav(hz)}
            made = api.post("/v1/verify", files=files, data={"model": "verifier"}).json()
            assert made["threshold"] == threshold
            assert made["same"] is (made["score"] >= threshold)
            assert same is None or made["same"] is same
    finally:
        api_engine.remove("verifier")


def _type(kind: str) -> dict[str, str]:
    return {"content-type": kind}
