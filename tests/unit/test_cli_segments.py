"""Segments in text, as SRT and as WebVTT: layouts by hand."""

import pytest

from ossicle.cli.segments import check_format, lines_of, notices
from ossicle.errors import RunError
from ossicle.subtitles import subtitles

SEGMENTS = [
    {"start_s": 0.0, "end_s": 1.2, "text": "so"},
    {"start_s": 3661.5, "end_s": 3662.999, "text": "a --> b"},
]


def test_subtitles_in_srt():
    assert subtitles(SEGMENTS, "srt") == (
        "1\n00:00:00,000 --> 00:00:01,200\nso\n\n2\n01:01:01,500 --> 01:01:02,999\na -> b\n"
    )


def test_subtitles_in_vtt():
    assert subtitles(SEGMENTS, "vtt") == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.200\nso\n\n01:01:01.500 --> 01:01:02.999\na -> b\n"
    )
    assert subtitles([], "vtt") == "WEBVTT\n"


def test_a_line_for_each_segment():
    assert lines_of("a.wav", {"segments": SEGMENTS[:1]}) == ["a.wav\t0.00\t1.20\tso"]


def test_what_is_doubtful_is_said():
    assert notices("a.wav", {"no_speech": True, "repetitive": False}) == [
        "a.wav: no speech was found, and a text was left out"
    ]


@pytest.mark.parametrize(
    ("kind", "recordings", "json", "message"),
    [
        ("ass", 1, False, "expected text, srt or vtt"),
        ("srt", 2, False, "one recording, and there are 2"),
        ("vtt", 1, True, "two formats"),
    ],
)
def test_formats_that_do_not_fit_are_refused(kind, recordings, json, message):
    with pytest.raises(RunError, match=message):
        check_format(kind, recordings, json=json)
