"""The same audio is recognised, whatever the file, format and part."""

import numpy as np
import pytest
import soundfile

from ossicle.data.dataset import Dataset
from ossicle.data.leaks import Content, check_contents, overlapping
from ossicle.data.scan import scan
from ossicle.data.utterance import Utterance
from ossicle.errors import SplitError

RATE = 16000


def sound(seed, seconds=1.0):
    """Return (N,) that 16 bits hold exactly."""
    rng = np.random.default_rng(seed)
    return rng.integers(-9000, 9000, int(seconds * RATE)).astype(np.int16)


@pytest.fixture
def write(tmp_path):
    def written(name, wave, rate=RATE, **how):
        soundfile.write(tmp_path / name, wave, rate, **how)
        return Utterance.of(tmp_path / name, tmp_path, "x")

    return written


def content(utterance):
    return scan([utterance], RATE, 1)[0].content


def part(utterance, start_s, duration_s=None):
    return Utterance.of(utterance.path, utterance.path.parent, "x", None, start_s, duration_s)


COPIES = {
    "flac": ("copy.flac", lambda wave: wave, {}),
    "aiff": ("copy.aiff", lambda wave: wave, {}),
    "24 bits": ("copy.wav", lambda wave: wave, {"subtype": "PCM_24"}),
    "float": ("copy.wav", lambda wave: wave / np.float32(32768), {"subtype": "FLOAT"}),
    "stereo": ("copy.wav", lambda wave: np.stack([wave, wave], 1), {}),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_lossless_copy_has_the_same_sound_and_another_file(write, kind):
    name, change, how = COPIES[kind]
    one, other = content(write("a.wav", sound(0))), content(write(name, change(sound(0)), **how))
    assert one.sound == other.sound
    assert one.samples == other.samples
    assert one.file != other.file


def test_another_sound_or_another_rate_is_another_recording(write):
    changed = sound(0)
    changed[700] += 1
    found = [
        content(write("a.wav", sound(0))),
        content(write("b.wav", changed)),
        content(write("c.wav", sound(0), 8000)),
        content(write("d.wav", sound(0)[:-1])),
    ]
    assert len({one.sound for one in found}) == 4


def test_parts_of_one_recording_have_samples_of_their_own(write):
    whole = write("a.wav", sound(0))
    parts = [whole, part(whole, 0.2), part(whole, 0.2, 0.5), part(whole, 0.3, 0.5)]
    found = [one.content for one in scan(parts, RATE, 1)]
    assert len({one.sound for one in found}) == 1
    assert len({one.samples for one in found}) == 4


def sides(train, valid, test):
    return Dataset("mine", (train,), (valid,), (test,), False, given=True, note="")


def contents(dataset):
    scanned = scan(dataset.utterances, RATE, 1)
    return {u.key: one.content for u, one in zip(dataset.utterances, scanned, strict=True)}


def test_a_recording_and_its_flac_in_two_splits_are_refused(write):
    data = sides(write("a.wav", sound(0)), write("b.wav", sound(1)), write("copy.flac", sound(0)))
    with pytest.raises(
        SplitError,
        match=r"1 recordings are in two splits: a\.wav \(train\) and copy\.flac \(test\)",
    ):
        check_contents(data, contents(data))


def test_parts_of_a_recording_and_of_its_flac_leak_where_they_overlap(write):
    wav, flac, other = (
        write("a.wav", sound(0)),
        write("a.flac", sound(0)),
        write("b", sound(1), format="WAV"),
    )
    apart = sides(part(wav, 0.0, 0.5), other, part(flac, 0.5, 0.5))
    check_contents(apart, contents(apart))
    shared = sides(part(wav, 0.0, 0.5), other, part(flac, 0.499, 0.5))
    with pytest.raises(SplitError, match=r"a\.wav#0-0\.5 \(train\) and a\.flac#0\.499-0\.999"):
        check_contents(shared, contents(shared))


def test_if_test_is_also_validation_only_training_is_separate(write):
    one, other = write("a.wav", sound(0)), write("b.wav", sound(1))
    same = Utterance("again", other.path, "x")
    data = Dataset(
        "m", (one,), (other,), (same,), False, given=True, note="", validates_on_test=True
    )
    check_contents(data, contents(data))


TRAINING = Content("5" * 32, "f" * 32, 1.0, 2.0)


@pytest.mark.parametrize(
    ("chosen", "shares"),
    [
        (TRAINING, True),
        (TRAINING._replace(start_s=0.0, duration_s=None), True),  # the whole
        (TRAINING._replace(start_s=1.001), True),
        (TRAINING._replace(start_s=0.0, duration_s=1.0), False),  # touches
        (TRAINING._replace(start_s=3.0, duration_s=None), False),
        (TRAINING._replace(start_s=2.5, duration_s=0.1), True),  # inside
        (TRAINING._replace(file="e" * 32), True),  # another container
        (TRAINING._replace(sound="6" * 32), True),  # an mp3 decoded on another machine
        (TRAINING._replace(sound="6" * 32, file="e" * 32), False),
    ],
)
def test_recordings_that_overlap_training_are_found(chosen, shares):
    assert overlapping([TRAINING], {"key": chosen}) == (["key"] if shares else [])


def test_of_many_parts_of_one_recording_each_overlap_is_found():
    training = [TRAINING._replace(start_s=float(s), duration_s=1.0) for s in (0, 4, 8)]
    training.append(TRAINING._replace(start_s=2.0, duration_s=5.0))
    chosen = {
        s: TRAINING._replace(start_s=s, duration_s=0.5) for s in (0.5, 1.2, 2.1, 6.6, 7.1, 8.4)
    }
    assert overlapping(training, chosen) == [0.5, 2.1, 6.6, 8.4]


@pytest.mark.parametrize(
    "one", [TRAINING, TRAINING._replace(start_s=0.1 + 0.2), Content("5" * 32, "f" * 32)]
)
def test_a_content_is_read_as_it_was_written(one):
    assert Content.parse(str(one)) == one


def test_what_is_not_a_content_is_refused():
    with pytest.raises(ValueError, match="'no hash' is not the hash of a recording"):
        Content.parse("no hash")
