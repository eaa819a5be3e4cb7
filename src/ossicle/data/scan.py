"""Decode every recording once before a run: lengths, content hashes, and all unusable ones."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from ossicle.data.audio import bounds, check_part, is_complete, shortage_ms, usable
from ossicle.data.decode import Recording, Span, Wave, opened
from ossicle.data.leaks import Content
from ossicle.data.utterance import Utterance
from ossicle.errors import AudioError


class Scanned(NamedTuple):
    """Result of decoding an utterance.

    Attributes:
        num_samples: Number of samples at the requested sample rate.
        content: Hashes of its audio, to find it in other data.
    """

    num_samples: int
    content: Content


def scan(
    utterances: Sequence[Utterance],
    sample_rate: int,
    min_samples: int,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Scanned]:
    """Decode every recording once and return length and content of each utterance.

    Args:
        utterances: Utterances to train or evaluate on; several may be parts of one recording.
        sample_rate: Sample rate of the backbone, in Hz.
        min_samples: Fewest samples, at `sample_rate`, that give the backbone a frame.
        progress: Called with the number of utterances done, and their total number.

    Raises:
        AudioError: some recordings cannot be used; it lists the first ten.
    """
    groups = by_recording(utterances)
    found: dict[int, Scanned | str] = {}
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = pool.map(lambda rows: _scanned([utterances[n] for n in rows], sample_rate), groups)
        for rows, scanned in zip(groups, jobs, strict=True):
            found.update(zip(rows, scanned, strict=True))
            if progress:
                progress(len(found), len(utterances))
    good, bad = list[Scanned](), list[str]()
    for n, utterance in enumerate(utterances):
        one = found[n]
        if isinstance(one, str):
            bad.append(one)
        elif one.num_samples < min_samples:
            long, needed = shortage_ms(one.num_samples, min_samples, sample_rate)
            bad.append(
                f"{utterance.key} is {long} ms long, but the backbone needs {needed} ms. Remove it."
            )
        else:
            good.append(one)
    if bad:
        rest = [f"... and {len(bad) - 10} more"] if len(bad) > 10 else []
        head = f"{len(bad)} of {len(utterances)} recordings cannot be used:"
        raise AudioError("\n  ".join([head, *bad[:10], *rest]))
    return good


def by_recording(utterances: Sequence[Utterance]) -> list[list[int]]:
    """Return the indices of the utterances of each recording, in order."""
    groups: dict[tuple[Path, Span | None], list[int]] = {}
    for n, one in enumerate(utterances):
        groups.setdefault((one.path, one.span), []).append(n)
    return list(groups.values())


def _scanned(parts: Sequence[Utterance], sample_rate: int) -> list[Scanned | str]:
    """Return length and content of parts of one recording, or the error of each."""
    try:
        with opened(parts[0].path, parts[0].span) as recording:
            return _decoded(recording, parts, sample_rate)
    except AudioError as error:
        return [str(error)] * len(parts)


def _decoded(
    recording: Recording, parts: Sequence[Utterance], sample_rate: int
) -> list[Scanned | str]:
    path, rate, total = recording.path, recording.rate, 0
    hashed = hashlib.blake2b(str(rate).encode(), digest_size=16)

    def passing() -> Iterator[Wave]:
        nonlocal total
        for block in recording.blocks():
            hashed.update(block.data)
            total += len(block)
            yield block

    wanted = [bounds(one.start_s, one.duration_s, rate) for one in parts]
    lengths: dict[int, int | str] = {}
    short = set()
    blocks = passing()
    for n, wave in recording.cut(blocks, 0, wanted):
        if not is_complete(wave, *wanted[n]):
            short.add(n)
        if len(wave):  # a part without samples lies outside the recording, reported below
            lengths[n] = _length(path, wave, rate, sample_rate)
    for _ in blocks:  # decode to the end, which may be truncated
        pass
    sound, file = hashed.hexdigest(), recording.file_hash()
    scanned: list[Scanned | str] = []
    for n, one in enumerate(parts):
        outside = _outside(path, total, rate, one) if n in short else ""
        length = outside or lengths[n]
        content = Content(sound, file, one.start_s, one.duration_s)
        scanned.append(length if isinstance(length, str) else Scanned(length, content))
    return scanned


def _length(path: Path, wave: Wave, rate: int, sample_rate: int) -> int | str:
    try:
        return len(usable(path, wave, rate, sample_rate))
    except AudioError as error:
        return str(error)


def _outside(path: Path, total: int, rate: int, part: Utterance) -> str:
    try:
        check_part(path, total, rate, part.start_s, part.duration_s)
    except AudioError as error:
        return str(error)
    return ""
