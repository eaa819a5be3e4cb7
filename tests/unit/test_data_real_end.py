"""A recording is read to its real end, whatever its header states, or is refused."""

import struct
from io import BytesIO

import numpy as np
import pytest
import soundfile

from ossicle.data.audio import duration_s, load_wave
from ossicle.data.scan import scan
from ossicle.data.utterance import Utterance
from ossicle.errors import AudioError

KINDS = {
    "flac": ("FLAC", "PCM_16", 16000),
    "ogg": ("OGG", "VORBIS", 16000),
    "opus": ("OGG", "OPUS", 48000),
    "mp3": ("MP3", "MPEG_LAYER_III", 16000),
}


def noise(seconds, rate=16000, seed=0, level=0.3):
    drawn = np.random.default_rng(seed).uniform(-level, level, int(seconds * rate))
    return drawn.astype(np.float32)


def encoded(wave, rate, container, subtype, **how):
    file = BytesIO()
    soundfile.write(file, wave, rate, format=container, subtype=subtype, **how)
    return file.getvalue()


def decoded(content):
    return soundfile.read(BytesIO(content), dtype="float32")[0]


def vbr_without_count():
    """Return an mp3 without its tag frame, and its samples decoded with the tag."""
    wave = np.concatenate([noise(1.0, 44100), noise(3.0, 44100, level=0.001)])
    content = encoded(
        wave, 44100, "MP3", "MPEG_LAYER_III", bitrate_mode="VARIABLE", compression_level=0.5
    )
    assert content[36 - 15 : 36 - 11] in (b"Xing", b"Info")  # MPEG 1, mono: after 4 and 17 bytes
    kbps = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[content[2] >> 4]
    return content[144_000 * kbps // 44100 + (content[2] >> 1 & 1) :], decoded(content)


def test_an_mp3_of_variable_rate_without_a_count_is_read_to_its_end(tmp_path):
    content, whole = vbr_without_count()
    (tmp_path / "a.mp3").write_bytes(content)
    wave = load_wave(tmp_path / "a.mp3", 44100)
    # Without the tag the encoder delay of 576 samples is not removed.
    np.testing.assert_allclose(wave[576 : 576 + len(whole)], whole, atol=1e-5)
    assert 0 <= len(wave) - 576 - len(whole) < 2 * 1152
    assert duration_s(tmp_path / "a.mp3") == pytest.approx(len(wave) / 44100)
    part = load_wave(tmp_path / "a.mp3", 44100, start_s=2.5, duration_s=0.5)
    assert np.array_equal(part, wave[110250:132300])


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_were_joined_are_read_one_after_another(tmp_path, kind):
    container, subtype, rate = KINDS[kind]
    first, second = (
        encoded(noise(seconds, rate, seed), rate, container, subtype)
        for seed, seconds in enumerate((0.5, 0.3))
    )
    (tmp_path / "joined").write_bytes(first + second)
    wave = load_wave(tmp_path / "joined", rate)
    expected = np.clip(np.concatenate([decoded(first), decoded(second)]), -1, 1)
    np.testing.assert_allclose(wave, expected, atol=1e-6)
    assert duration_s(tmp_path / "joined") == pytest.approx(0.8)
    part = load_wave(tmp_path / "joined", rate, start_s=0.4, duration_s=0.2)
    assert np.array_equal(part, wave[round(0.4 * rate) : round(0.6 * rate)])


def test_an_mp3_with_a_count_may_be_followed_by_one_without(tmp_path):
    second, whole = vbr_without_count()
    first = encoded(noise(0.5, 44100), 44100, "MP3", "MPEG_LAYER_III")
    (tmp_path / "a.mp3").write_bytes(first + second)
    assert len(load_wave(tmp_path / "a.mp3", 44100)) >= 22050 + len(whole)


@pytest.mark.parametrize("kind", ["flac", "ogg", "mp3"])
def test_joined_files_of_two_rates_are_refused(tmp_path, kind):
    container, subtype, _ = KINDS[kind]
    parts = [encoded(noise(0.5, rate), rate, container, subtype) for rate in (16000, 22050)]
    (tmp_path / "joined").write_bytes(b"".join(parts))
    with pytest.raises(AudioError, match="joined continues at 22050 Hz after audio at 16000 Hz"):
        load_wave(tmp_path / "joined", 16000)


def test_a_truncated_file_among_joined_ones_is_refused(tmp_path):
    first, second = (encoded(noise(0.5, seed=seed), 16000, "OGG", "VORBIS") for seed in (0, 1))
    (tmp_path / "a.ogg").write_bytes(first[: len(first) // 2] + second)
    with pytest.raises(AudioError, match=r"a\.ogg is truncated: its last Ogg page is missing"):
        load_wave(tmp_path / "a.ogg", 16000)


def wav(wave, *, stated=None, after=b""):
    """Return a wav of 16 bits, by hand: RIFF, fmt, data."""
    data = (wave * 32767).astype("<i2").tobytes()
    size = len(data) if stated is None else stated
    chunk = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)
    chunk += struct.pack("<4sI", b"data", size) + data + after
    return b"RIFF" + struct.pack("<I", min(size + 36, 2**32 - 1)) + b"WAVE" + chunk


def aiff(wave, stated):
    data = (wave * 32767).astype(">i2").tobytes()
    comm = struct.pack(">4sIhIh", b"COMM", 18, 1, 0x3F800000, 16) + b"\x40\x0c\xfa" + bytes(7)
    ssnd = struct.pack(">4sIII", b"SSND", stated, 0, 0) + data
    return b"FORM" + struct.pack(">I", (stated + 72) % 2**32) + b"AIFF" + comm + ssnd


def au(wave, stated):
    data = (wave * 32767).astype(">i2").tobytes()
    return b".snd" + struct.pack(">IIIII", 24, stated, 3, 16000, 1) + data


def w64(wave, stated):
    data = (wave * 32767).astype("<i2").tobytes()
    guid = bytes.fromhex("f3acd3118cd100c04f8edb8a")
    riff = bytes.fromhex("726966662e91cf11a5d628db04c10000") + struct.pack("<q", -1)
    fmt = struct.pack("<qHHIIHH", 40, 1, 1, 16000, 32000, 2, 16)
    return b"".join(
        [riff, b"wave", guid, b"fmt ", guid, fmt, b"data", guid, struct.pack("<q", stated), data]
    )


def rf64(wave, stated):
    whole = wav(wave, stated=0xFFFFFFFF)
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, 0, stated, 0, 0)
    return b"RF64\xff\xff\xff\xffWAVE" + ds64 + whole[12:]


STREAMED = {
    **{
        f"wav {size:#x}": (wav, size)
        for size in (0, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFDB, 2_000_000_000, 0x7F000008)
    },
    **{f"aiff {size:#x}": (aiff, size) for size in (0, 0x7F000008, 0xFFFFFFFF)},
    **{f"au {size:#x}": (au, size) for size in (0, 0xFFFFFFFF)},
    "w64": (w64, 2**63 - 1),
    "rf64": (rf64, 0),
}


@pytest.mark.parametrize("kind", STREAMED)
def test_a_file_that_was_streamed_with_a_size_that_is_not_known_is_whole(tmp_path, kind):
    build, stated = STREAMED[kind]
    wave = noise(0.5)
    content = wav(wave, stated=stated) if build is wav else build(wave, stated)
    (tmp_path / "streamed").write_bytes(content)
    expected = (wave * 32767).astype(np.int16).astype(np.float32) / 32768
    assert np.array_equal(load_wave(tmp_path / "streamed", 16000), expected)
    part = load_wave(tmp_path / "streamed", 16000, start_s=0.1, duration_s=0.2)
    assert np.array_equal(part, expected[1600:4800])
    assert duration_s(tmp_path / "streamed") == 0.5


def counted(samples):
    """Return half a second of FLAC with another number of samples in the header."""
    content = bytearray(encoded(noise(0.5), 16000, "FLAC", "PCM_16"))
    content[21] = content[21] & 0xF0 | samples >> 32  # the low 36 bits of the bytes 18 to 25
    content[22:26] = (samples & 0xFFFFFFFF).to_bytes(4)
    return content


def test_a_flac_that_was_streamed_without_a_count_is_whole(tmp_path):
    content = counted(0)
    (tmp_path / "a.flac").write_bytes(content)
    whole = decoded(encoded(noise(0.5), 16000, "FLAC", "PCM_16"))
    assert np.array_equal(load_wave(tmp_path / "a.flac", 16000), whole)
    part = load_wave(tmp_path / "a.flac", 16000, start_s=0.1, duration_s=0.2)
    assert np.array_equal(part, whole[1600:4800])
    assert duration_s(tmp_path / "a.flac") == 0.5


def test_a_flac_that_states_fewer_samples_than_it_holds_is_read_to_its_end(tmp_path):
    (tmp_path / "a.flac").write_bytes(counted(1000))
    assert len(load_wave(tmp_path / "a.flac", 16000)) == 8000
    assert len(load_wave(tmp_path / "a.flac", 16000, start_s=0.2)) == 4800


def test_a_tag_after_a_flac_is_ignored(tmp_path):
    (tmp_path / "a.flac").write_bytes(counted(8000) + b"TAG" + b"x" * 125)
    assert len(load_wave(tmp_path / "a.flac", 16000)) == 8000


@pytest.mark.parametrize("build", [wav, aiff, au, rf64])
def test_a_size_smaller_than_the_data_is_refused(tmp_path, build):
    wave = noise(0.5)
    content = wav(wave, stated=4000) if build is wav else build(wave, 4000)
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(
        AudioError, match=r"a states \d+ bytes of audio.* more bytes follow that may be"
    ):
        load_wave(tmp_path / "a", 16000)


@pytest.mark.parametrize("build", [wav, aiff, au, rf64])
def test_a_size_larger_than_the_data_means_truncation(tmp_path, build):
    wave = noise(0.5)
    content = wav(wave, stated=32000) if build is wav else build(wave, 32000)
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(AudioError, match=r"a is truncated: its header states \d+ bytes of audio"):
        load_wave(tmp_path / "a", 16000)


AFTER = {
    "a list": b"LIST" + struct.pack("<I", 300) + b"INFO" + bytes(296),
    "two chunks": b"id3 " + struct.pack("<I", 300) + b"x" * 300 + b"abcd\x04\0\0\0wxyz",
    "an mp3 tag": b"TAG" + b"x" * 125,
    "zeros": bytes(4096),
    "a few bytes": b"\x01" * 100,
}


@pytest.mark.parametrize("after", AFTER)
def test_other_bytes_after_the_audio_data_are_ignored(tmp_path, after):
    (tmp_path / "a.wav").write_bytes(wav(noise(0.5), after=AFTER[after]))
    assert len(load_wave(tmp_path / "a.wav", 16000)) == 8000


def test_a_wav_after_a_wav_is_refused(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(noise(0.5)) + wav(noise(0.5)))
    with pytest.raises(AudioError, match=r"states 16000 bytes of audio.* 16044 more bytes follow"):
        load_wave(tmp_path / "a.wav", 16000)


@pytest.mark.parametrize(
    ("container", "subtype", "rate"),
    [("WAV", "GSM610", 8000), ("AU", "G721_32", 8000), ("AU", "G723_24", 8000)],
)
def test_codecs_that_cannot_seek_are_read(tmp_path, container, subtype, rate):
    content = encoded(noise(0.5, rate), rate, container, subtype)
    (tmp_path / "a").write_bytes(content)
    with soundfile.SoundFile(BytesIO(content)) as file:
        expected = file.read(file.frames, dtype="float32")
    wave = load_wave(tmp_path / "a", rate)
    assert np.array_equal(wave, expected)
    part = load_wave(tmp_path / "a", rate, start_s=0.1, duration_s=0.2)
    assert np.array_equal(part, expected[800:2400])


@pytest.mark.parametrize("kind", [*KINDS, "wav"])
def test_a_scan_and_a_load_of_a_part_are_slices_of_the_whole(tmp_path, kind):
    container, subtype, rate = KINDS.get(kind, ("WAV", "MS_ADPCM", 16000))
    path = tmp_path / "a"
    path.write_bytes(encoded(noise(2.0, rate), rate, container, subtype))
    whole = load_wave(path, rate)
    parts = [(1.0, 0.5), (0.1, 1.8), (0.7, None), (0.0, None), (1.25, 0.01)]
    for start_s, length_s in parts:
        end = len(whole) if length_s is None else round((start_s + length_s) * rate)
        part = load_wave(path, rate, start_s=start_s, duration_s=length_s)
        assert np.array_equal(part, whole[round(start_s * rate) : end])
    utterances = [Utterance.of(path, tmp_path, "x", None, *part) for part in parts]
    lengths = [one.num_samples for one in scan(utterances, rate, 1)]
    assert lengths == [len(load_wave(path, rate, start_s=s, duration_s=d)) for s, d in parts]
