"""Decode a recording in blocks, the mean over its channels, to its real end.

Nothing is allocated by what a header states, so that a header of a terabyte costs no more than the
file behind it.
"""

import hashlib
import mmap
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile

from ossicle.data.containers import Refused
from ossicle.data.streams import Stream, View, streams
from ossicle.errors import AudioError

Wave = npt.NDArray[np.float32]
Span = tuple[int, int]  # first byte and number of bytes of a recording inside an archive

LONGEST: Final = 2**28  # samples that are held at a time: 4.7 h at 16 kHz, 1 GiB
SLOWEST_HZ, FASTEST_HZ = 1_000, 768_000
_MOST: Final = 2**33  # samples of a recording: 24 h at 96 kHz; a small file can state any length
_FAR: Final = 2**62
_BLOCK: Final = 2**18  # values
_LENGTH_UNKNOWN: Final = 2**62  # frames; libsndfile's mark for a header without a count


class _Onward(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """Reads on without seeking, which soundfile does after each block where it can."""

    def seekable(self) -> bool:
        """Say that it cannot seek."""
        return False


class Recording:
    """An open recording.

    Attributes:
        path: Its file, for messages.
        rate: Samples per second.
    """

    def __init__(self, path: Path, data: mmap.mmap, low: int, high: int) -> None:
        """Find its streams.

        Args:
            path: Its file.
            data: The same, open.
            low: First byte of the recording.
            high: One past its last.

        Raises:
            AudioError: it cannot be decoded or is cut short, as far as headers show.
        """
        self.path = path
        self._data = data
        self._bytes = low, high
        try:
            self._streams = streams(data, low, high)
        except Refused as error:
            raise AudioError(f"{path} {error}. Copy or export it again.") from error
        with self._opened(self._streams[0].pieces) as file:
            self.rate = int(file.samplerate)
        if not SLOWEST_HZ <= self.rate <= FASTEST_HZ:
            raise AudioError(
                f"{path} states a sample rate of {self.rate} Hz; expected {SLOWEST_HZ} to "
                f"{FASTEST_HZ} Hz. Export it again with its true rate."
            )

    def blocks(self, first: int = 0) -> Iterator[Wave]:
        """Yield the samples from one of them to the end, the mean over channels.

        Raises:
            AudioError: they cannot be decoded, or end before the header says.
        """
        if first and len(self._streams) == 1 and (sought := self._streams[0].sought):
            with self._opened(sought) as file:
                if soundfile.SoundFile.seekable(file) and first < file.frames < _LENGTH_UNKNOWN:
                    yield from self._read(file, first)
                    return
        for stream in self._streams:
            for block in self._decoded(stream):
                if first < len(block):
                    yield block[first:]
                first = max(0, first - len(block))

    def cut(
        self, blocks: Iterator[Wave], at: int, wanted: Sequence[tuple[int, int | None]]
    ) -> Iterator[tuple[int, Wave]]:
        """Yield the number and the samples of each part, in one pass and as early as it is there.

        No more is held than parts that are not complete. Where the recording ends before a part,
        what there is of it is yielded.

        Args:
            blocks: Of this recording.
            at: Number of their first sample.
            wanted: First sample of each part and one past its last; None: the end.

        Raises:
            AudioError: a part is longer than `LONGEST`.
        """
        ends = [
            (_FAR if last is None else last, first, n) for n, (first, last) in enumerate(wanted)
        ]
        ends.sort()
        earliest = list(accumulate((first for _, first, _ in reversed(ends)), min))[::-1]
        held: deque[tuple[int, Wave]] = deque()
        done = 0
        for block in blocks:
            held.append((at, block))
            at += len(block)
            while done < len(ends) and ends[done][0] <= at:
                last, first, n = ends[done]
                yield n, _joined(held, first, last)
                done += 1
            if done == len(ends):
                return
            while held and held[0][0] + len(held[0][1]) <= earliest[done]:
                held.popleft()
            if held and at - held[0][0] > LONGEST:
                raise AudioError(
                    f"{self.path} or a part of it is longer than {LONGEST / self.rate / 3600:.1f} "
                    "h, the most that is held in memory at its rate. Cut it into shorter parts."
                )
        for last, first, n in ends[done:]:
            yield n, _joined(held, first, last)

    def count(self) -> int:
        """Return the number of samples by decoding all of them."""
        return sum(map(len, self.blocks()))

    def file_hash(self) -> str:
        """Return a hash of the bytes of the recording."""
        low, high = self._bytes
        with memoryview(self._data) as whole, whole[low:high] as part:
            return hashlib.blake2b(part, digest_size=16).hexdigest()

    def _decoded(self, stream: Stream) -> Iterator[Wave]:
        count = 0
        with self._opened(stream.pieces) as file:
            if file.samplerate != self.rate:
                raise AudioError(
                    f"{self.path} goes on at {file.samplerate} Hz after sound at {self.rate} Hz: "
                    "two files were joined. Export them apart, or at one rate."
                )
            fewest = file.frames if stream.fewest is None else stream.fewest
            for block in self._read(file):
                count += len(block)
                if count > _MOST:
                    raise AudioError(f"{self.path} is longer than {_MOST} samples. Cut it.")
                yield block
        if count < fewest < _LENGTH_UNKNOWN:
            raise AudioError(
                f"{self.path} is cut short: its header states {fewest} samples and {count} can be "
                "decoded. Copy or export it again."
            )

    def _read(self, file: _Onward, first: int = 0) -> Iterator[Wave]:
        most, at = max(1, _BLOCK // file.channels), first
        try:
            if first:
                file.seek(first)
            while at < file.frames:  # what follows the last frame of a flac may be no frame
                size = min(most, file.frames - at)
                block = file.read(size, dtype="float32", always_2d=True)  # (N, channels)
                if not len(block):
                    return
                at += len(block)
                wave: Wave = block.mean(axis=1, dtype=np.float32)
                yield wave
        except soundfile.LibsndfileError as error:
            raise undecodable(self.path, error.error_string) from error

    def _opened(self, pieces: Sequence[bytes | range]) -> _Onward:
        try:
            return _Onward(View(self._data, pieces))
        except soundfile.LibsndfileError as error:
            raise undecodable(self.path, error.error_string) from error


@contextmanager
def opened(path: Path, span: Span | None = None) -> Iterator[Recording]:
    """Open a recording that is a file, or lies inside one.

    Raises:
        AudioError: there is no such file, it is not a regular file, or it cannot be decoded.
    """
    try:
        data = _mapped(path)
    except FileNotFoundError as error:
        raise AudioError(f"{path} does not exist. Fix the path or take it out.") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        reason = error.strerror if isinstance(error, OSError) else error
        raise AudioError(f"{path} cannot be opened: {reason}. Take it out.") from error
    with data:
        low, high = (span[0], sum(span)) if span else (0, len(data))
        if not 0 <= low < high <= len(data):
            raise AudioError(f"{path} has no recording at byte {low}. Copy the file again.")
        yield Recording(path, data, low, high)


def _mapped(path: Path) -> mmap.mmap:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
        kind = kinds.get(stat.S_IFMT(status.st_mode), "device")
        raise AudioError(f"{path} is a {kind}, not a file with sound. Take it out of the data.")
    if not status.st_size:
        raise undecodable(path, "it is empty")
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def undecodable(path: Path, reason: str) -> AudioError:
    """Return the error of a recording that libsndfile refuses."""
    return AudioError(
        f"{path} cannot be decoded ({reason.rstrip('.')}). Expected wav, flac, ogg, opus or mp3: "
        "export it again or take it out of the data."
    )


def _joined(held: Iterable[tuple[int, Wave]], first: int, last: int) -> Wave:
    """Return the samples between two, as far as they are held."""
    parts = [block[max(0, first - at) : max(0, last - at)] for at, block in held]
    return np.concatenate([np.zeros(0, np.float32), *parts])
