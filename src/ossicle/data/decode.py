"""Decode a recording in blocks to its real end, averaging channels.

Memory is not allocated from sizes in a header, so that a header that states a terabyte costs no
more than the actual file.
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
from ossicle.data.held import content, is_held
from ossicle.data.streams import Stream, View, streams
from ossicle.errors import AudioError

Wave = npt.NDArray[np.float32]
Span = tuple[int, int]  # first byte and number of bytes of a recording inside an archive

LONGEST: Final = 2**28  # most samples in memory at a time: 4.7 h at 16 kHz, 1 GiB
SLOWEST_HZ, FASTEST_HZ = 1_000, 768_000
_MOST: Final = 2**33  # most samples of a recording: 24 h at 96 kHz
_FAR: Final = 2**62
_BLOCK: Final = 2**18  # values
_LENGTH_UNKNOWN: Final = 2**62  # libsndfile's number of frames for a header without one


class _Onward(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A sound file read without seeking, which soundfile otherwise does after each block."""

    def seekable(self) -> bool:
        """Return False."""
        return False


class Recording:
    """An open recording.

    Attributes:
        path: Path of its file, for messages.
        rate: Sample rate in Hz.
    """

    def __init__(self, path: Path, data: mmap.mmap, low: int, high: int) -> None:
        """Find the streams of the recording.

        Args:
            path: Path of the file.
            data: Contents of the file.
            low: First byte of the recording.
            high: Last byte plus one.

        Raises:
            AudioError: by its headers, it cannot be decoded or is truncated.
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
        """Yield samples from the given one to the end, averaged over channels.

        Raises:
            AudioError: they cannot be decoded, or end earlier than the header states.
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
        """Yield the index and the samples of each part in one pass, as soon as it is complete.

        Only incomplete parts are kept in memory. If the recording ends inside a part, the samples
        up to there are yielded.

        Args:
            blocks: Blocks of this recording.
            at: Index of their first sample.
            wanted: First sample and last plus one of each part; None: the end.

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
                    "h, the limit at its sample rate. Cut it into shorter parts."
                )
        for last, first, n in ends[done:]:
            yield n, _joined(held, first, last)

    def stated(self) -> int:
        """Return the number of samples that the headers state, of streams that state one."""
        return sum(map(self._stated, self._streams))

    def count(self) -> int:
        """Return the number of samples, by decoding all of them."""
        return sum(map(len, self.blocks()))

    def file_hash(self) -> str:
        """Return a hash of the bytes of the recording."""
        low, high = self._bytes
        with memoryview(self._data) as whole, whole[low:high] as part:
            return hashlib.blake2b(part, digest_size=16).hexdigest()

    def _stated(self, stream: Stream) -> int:
        if stream.fewest is not None:
            return stream.fewest
        with self._opened(stream.pieces) as file:
            return file.frames if file.frames < _LENGTH_UNKNOWN else 0

    def _decoded(self, stream: Stream) -> Iterator[Wave]:
        count = 0
        with self._opened(stream.pieces) as file:
            if file.samplerate != self.rate:
                raise AudioError(
                    f"{self.path} continues at {file.samplerate} Hz after audio at {self.rate} Hz: "
                    "two files were joined. Export them separately, or at one sample rate."
                )
            fewest = file.frames if stream.fewest is None else stream.fewest
            for block in self._read(file):
                count += len(block)
                if count > _MOST:
                    raise AudioError(f"{self.path} is longer than {_MOST} samples. Cut it.")
                yield block
        if count < fewest < _LENGTH_UNKNOWN:
            raise AudioError(
                f"{self.path} is truncated: its header states {fewest} samples, but only {count} "
                "can be decoded. Copy or export it again."
            )

    def _read(self, file: _Onward, first: int = 0) -> Iterator[Wave]:
        most, at = max(1, _BLOCK // file.channels), first
        try:
            if first:
                file.seek(first)
            while at < file.frames:  # bytes after the last frame of a flac may not be a frame
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
    """Open a recording that is a file, or part of one.

    Raises:
        AudioError: the file does not exist, is not a regular file, or cannot be decoded.
    """
    try:
        data = _in_memory(path) if is_held(path) else _mapped(path)
    except FileNotFoundError as error:
        raise AudioError(f"{path} does not exist. Fix the path or remove it.") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        reason = error.strerror if isinstance(error, OSError) else error
        raise AudioError(f"{path} cannot be opened: {reason}. Remove it from the data.") from error
    with data:
        low, high = (span[0], sum(span)) if span else (0, len(data))
        if not 0 <= low < high <= len(data):
            raise AudioError(f"{path} has no recording at byte {low}. Copy the file again.")
        yield Recording(path, data, low, high)


def _in_memory(path: Path) -> mmap.mmap:
    whole = content(path)
    if not whole:
        raise undecodable(path, "it is empty")
    data = mmap.mmap(-1, len(whole))
    data.write(whole)
    return data


def _mapped(path: Path) -> mmap.mmap:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would block
        types = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
        found = types.get(stat.S_IFMT(status.st_mode), "device")
        raise AudioError(f"{path} is a {found}, not an audio file. Remove it from the data.")
    if not status.st_size:
        raise undecodable(path, "it is empty")
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def undecodable(path: Path, reason: str) -> AudioError:
    """Return the error of a recording that libsndfile cannot decode."""
    return AudioError(
        f"{path} cannot be decoded ({reason.rstrip('.')}). Expected wav, flac, ogg, opus or mp3: "
        "export it again or remove it from the data."
    )


def _joined(held: Iterable[tuple[int, Wave]], first: int, last: int) -> Wave:
    """Return the samples from `first` to `last`, as far as they are in these blocks."""
    parts = [block[max(0, first - at) : max(0, last - at)] for at, block in held]
    return np.concatenate([np.zeros(0, np.float32), *parts])
