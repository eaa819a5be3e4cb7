"""Decoding against sines whose frequency and level are known, and every way a file can be bad."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.data.audio import duration_s, load_wave, random_crop, windows
from ossicle.data.scan import scan
from ossicle.data.utterance import Utterance
from ossicle.errors import AudioError

FORMATS = {
    "wav": ("WAV", "PCM_16", 44100),
    "flac": ("FLAC", "PCM_16", 44100),
    "ogg": ("OGG", "VORBIS", 44100),
    "mp3": ("MP3", "MPEG_LAYER_III", 44100),
    "opus": ("OGG", "OPUS", 48000),
}


def sine(frequency, seconds, rate, level=0.5):
    return (level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(
        np.float32
    )


def noise(seconds=0.5, rate=16000, seed=0):
    return np.random.default_rng(seed).uniform(-0.3, 0.3, int(seconds * rate)).astype(np.float32)


def write(path: Path, kind: str, seconds=1.0, frequency=1000.0) -> Path:
    container, subtype, rate = FORMATS[kind]
    left = sine(frequency, seconds, rate)
    soundfile.write(path, np.stack([left, left / 2], 1), rate, format=container, subtype=subtype)
    return path


def peak_frequency(wave, rate):
    return np.argmax(np.abs(np.fft.rfft(wave * np.hanning(len(wave))))) * rate / len(wave)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_stereo_sine_keeps_its_frequency_and_the_mean_of_its_levels(tmp_path, kind):
    wave = load_wave(write(tmp_path / f"a.{kind}", kind), 16000)
    assert wave.dtype == np.float32
    assert wave.shape == (16000,)
    assert peak_frequency(wave, 16000) == pytest.approx(1000, abs=1)
    middle = wave[4000:12000]  # 500 whole periods; level 0.5 and 0.25 have the mean 0.375
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(0.375, rel=0.02)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_format_is_detected_from_the_content(tmp_path, kind):
    path = write(tmp_path / "a.bin", kind)
    path.rename(named := tmp_path / "a.wav")
    assert peak_frequency(load_wave(named, 16000), 16000) == pytest.approx(1000, abs=1)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_part_of_a_file_holds_what_was_written_there(tmp_path, kind):
    container, subtype, rate = FORMATS[kind]
    tones = np.concatenate([sine(f, 0.5, rate) for f in (500, 1500, 3000)])
    soundfile.write(tmp_path / "a", tones, rate, format=container, subtype=subtype)
    wave = load_wave(tmp_path / "a", 16000, start_s=0.55, duration_s=0.4)
    assert wave.shape == (6400,)
    assert peak_frequency(wave, 16000) == pytest.approx(1500, abs=5)


def test_what_lies_above_half_the_sample_rate_is_removed(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(6000, 1, 44100) + sine(440, 1, 44100, 0.1), 44100)
    wave = load_wave(tmp_path / "a.wav", 8000)
    assert np.abs(wave[500:-500]).max() == pytest.approx(0.1, rel=0.02)


def test_overshoot_is_clipped_to_full_scale(tmp_path):
    soundfile.write(tmp_path / "a.wav", 1.2 * sine(440, 1, 16000, 1.0), 16000, subtype="FLOAT")
    assert np.abs(load_wave(tmp_path / "a.wav", 16000)).max() == 1.0


@pytest.mark.parametrize("kind", FORMATS)
def test_a_duration_is_that_of_the_sound(tmp_path, kind):
    path = write(tmp_path / f"a.{kind}", kind, seconds=1.5)
    assert duration_s(path) == pytest.approx(1.5, abs=1e-6)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_file_is_refused(tmp_path, kind, share):
    path = tmp_path / f"a.{kind}"
    container, subtype, rate = FORMATS[kind]
    soundfile.write(path, noise(2, rate), rate, format=container, subtype=subtype)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(AudioError, match=r"a\.\w+ (is truncated|cannot be decoded)"):
        load_wave(path, 16000)


def test_a_header_of_unknown_size_is_not_taken_for_truncation(tmp_path):
    path = tmp_path / "streamed.wav"
    soundfile.write(path, noise(), 16000)
    header = bytearray(path.read_bytes())
    header[4:8] = header[40:44] = b"\xff" * 4  # the size that a program writes into a pipe
    path.write_bytes(header)
    assert len(load_wave(path, 16000)) == 8000


def _spoilt(tmp_path, value):
    wave = noise()
    wave[17] = value
    soundfile.write(tmp_path / "bad.wav", wave, 16000, subtype="FLOAT")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(tmp_path, value):
    _spoilt(tmp_path, value)
    with pytest.raises(AudioError, match=r"bad\.wav has 1 samples that are NaN or infinite"):
        load_wave(tmp_path / "bad.wav", 8000)


def test_integers_kept_as_floats_are_refused(tmp_path):
    _spoilt(tmp_path, 32767)
    with pytest.raises(
        AudioError, match=r"has a peak of 32767; full scale is 1.*scaled to \[-1, 1\]"
    ):
        load_wave(tmp_path / "bad.wav", 16000)


@pytest.mark.parametrize("wave", [np.zeros(800), np.full(800, 0.5), 0.9e-4 * np.ones(800)])
def test_silence_and_a_constant_offset_are_refused(tmp_path, wave):
    soundfile.write(tmp_path / "still.wav", wave, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"still\.wav is silent.*below 1e-04.*-80 dBFS"):
        load_wave(tmp_path / "still.wav", 16000)


def test_a_sound_just_above_the_rule_of_silence_is_read(tmp_path):
    soundfile.write(tmp_path / "faint.wav", sine(440, 1, 16000, 1.1e-4), 16000, subtype="FLOAT")
    assert len(load_wave(tmp_path / "faint.wav", 16000)) == 16000


@pytest.mark.parametrize("name", ["text.wav", "empty.wav", "text.raw", "text.mp3"])
def test_files_that_are_not_audio_are_refused(tmp_path, name):
    (tmp_path / name).write_text("" if "empty" in name else "no sound at all\n" * 50)
    with pytest.raises(AudioError, match=rf"{name} cannot be decoded .*Expected wav, flac, ogg"):
        load_wave(tmp_path / name, 16000)


def test_a_file_of_no_length_is_refused(tmp_path):
    soundfile.write(tmp_path / "zero.wav", np.zeros((0, 1)), 16000)
    with pytest.raises(AudioError, match=r"zero\.wav has no samples"):
        load_wave(tmp_path / "zero.wav", 16000)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(AudioError, match=r"gone\.wav does not exist"):
        load_wave(tmp_path / "gone.wav", 16000)
    with pytest.raises(AudioError, match=r"gone\.wav does not exist"):
        duration_s(tmp_path / "gone.wav")


@pytest.mark.parametrize(
    ("start_s", "length_s"), [(-0.1, None), (0.5, None), (0.4, 0.2), (0.1, 0.0), (9.0, 1.0)]
)
@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_a_part_outside_the_file_is_refused(tmp_path, kind, start_s, length_s):
    path = write(tmp_path / "a", kind, seconds=0.5)
    with pytest.raises(AudioError, match=r"is 0\.5 s long and has no part from"):
        load_wave(path, 16000, start_s=start_s, duration_s=length_s)


def test_an_end_rounded_past_the_file_is_read_to_its_end(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(0.4996), 16000)
    assert len(load_wave(tmp_path / "a.wav", 16000, duration_s=0.5)) == 7993


def utterances(folder, count):
    for i in range(count):
        soundfile.write(folder / f"{i}.wav", noise(0.25, 8000, seed=i), 8000)
    return [Utterance(f"{i}.wav", folder / f"{i}.wav", "a") for i in range(count)]


def test_a_scan_counts_samples_at_the_rate_of_the_backbone(tmp_path):
    seen = []
    found = scan(utterances(tmp_path, 3), 16000, 400, progress=lambda *of: seen.append(of))
    assert [one.num_samples for one in found] == [4000, 4000, 4000]
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_scan_lists_every_bad_file_at_once(tmp_path):
    items = utterances(tmp_path, 20)
    soundfile.write(tmp_path / "0.wav", noise(0.02), 16000)
    soundfile.write(tmp_path / "1.wav", np.zeros(8000), 16000)
    for i in range(2, 13):
        (tmp_path / f"{i}.wav").write_text("text")
    with pytest.raises(AudioError) as caught:
        scan(items, 16000, 400)
    lines = str(caught.value).splitlines()
    assert lines[0] == "13 of 20 recordings cannot be used:"
    assert "0.wav is 20 ms long, but the backbone needs 25 ms" in lines[1]
    assert "1.wav is silent" in lines[2]
    assert "2.wav cannot be decoded" in lines[3]
    assert lines[-1].strip() == "... and 3 more"
    assert len(lines) == 12


def test_a_recording_one_sample_too_short_is_not_said_to_be_as_long_as_it_must_be(tmp_path):
    soundfile.write(tmp_path / "0.wav", noise(0.2)[:2799], 16000)  # 174.94 ms
    with pytest.raises(AudioError, match="is 174 ms long, but the backbone needs 175 ms"):
        scan([Utterance("0.wav", tmp_path / "0.wav", "a")], 16000, 2800)


def test_windows_of_ten_samples_by_four():
    assert windows(10, 4) == [(0, 4), (3, 7), (6, 10)]
    assert windows(8, 4) == [(0, 4), (4, 8)]
    assert windows(4, 4) == [(0, 4)]
    assert windows(3, 4) == [(0, 3)]
    with pytest.raises(ValueError, match="must be 1 or more"):
        windows(0, 4)


def test_a_random_crop_reaches_both_ends():
    rng = np.random.default_rng(0)
    crops = {random_crop(6, 4, rng) for _ in range(100)}
    assert crops == {(0, 4), (1, 5), (2, 6)}
    assert random_crop(3, 4, rng) == (0, 3)
