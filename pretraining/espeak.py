"""Speech from espeak-ng, with the time of every phone and word.

The library is the system's package (`apt-get install espeak-ng`, `brew install espeak-ng`),
reached through its C interface: its command line does not print times.
"""

import ctypes
from ctypes.util import find_library
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SYNCHRONOUS: Final = 2  # audio comes through the callback before espeak_Synth returns
PHONE_EVENTS_IN_IPA: Final = 0x0001 | 0x0002 | 0x8000  # the last: report an error, do not exit
UTF8: Final = 1
PHONE_INPUT: Final = 0x100  # text in [[ ]] is phone mnemonics
RATE, VOLUME, PITCH, RANGE = 1, 2, 3, 4
LIST_END, WORD, PHONE = 0, 1, 7


class _Value(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Value),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True, slots=True)
class Manner:
    """The manner of speaking, in espeak-ng's own units.

    Attributes:
        rate: Words per minute, 80 to 450.
        volume: 0 to 200.
        pitch: 0 to 99.
        pitch_range: 0 (monotone) to 99.
    """

    rate: int = 175
    volume: int = 100
    pitch: int = 50
    pitch_range: int = 50


@dataclass(frozen=True, slots=True)
class Spoken:
    """Synthesised speech with its phones and words.

    Attributes:
        wave: (N,) float32 in [-1, 1].
        sample_rate: Of the wave, in Hz.
        phones: (IPA symbol, start in seconds), in order; an empty symbol is a pause.
        words: (position in the text, length, start in seconds), in order.
    """

    wave: NDArray[np.float32]
    sample_rate: int
    phones: tuple[tuple[str, float], ...]
    words: tuple[tuple[int, int, float], ...]


class Espeak:
    """One synthesiser; the library behind it holds one state for each process."""

    def __init__(self) -> None:
        name = find_library("espeak-ng") or "libespeak-ng.so.1"
        try:
            self._library = ctypes.CDLL(name)
        except OSError as error:
            raise SystemExit(
                "espeak-ng is not installed; install the system's package, for example with "
                "apt-get install espeak-ng"
            ) from error
        self.sample_rate: int = self._library.espeak_Initialize(
            SYNCHRONOUS, 0, None, PHONE_EVENTS_IN_IPA
        )
        if self.sample_rate <= 0:
            raise SystemExit("espeak-ng does not start; install its package again, with its data")
        self._callback = _CALLBACK(self._receive)  # kept: the library holds a bare pointer to it
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_Info.restype = ctypes.c_char_p
        self.version: str = self._library.espeak_Info(None).decode()
        self._pieces: list[NDArray[np.int16]] = []
        self._phones: list[tuple[str, float]] = []
        self._words: list[tuple[int, int, float]] = []

    def say(self, text: str, voice: str, manner: Manner | None = None) -> Spoken:
        """Return the text as spoken by a voice.

        Args:
            text: In the voice's language; [[...]] holds phone mnemonics.
            voice: A language and a variant, for example `en-us+f3`.
            manner: Rate, volume, pitch and range.

        Raises:
            ValueError: there is no such voice.
        """
        manner = manner or Manner()
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice '{voice}'; espeak-ng --voices lists them")
        for number, value in (
            (RATE, manner.rate),
            (VOLUME, manner.volume),
            (PITCH, manner.pitch),
            (RANGE, manner.pitch_range),
        ):
            self._library.espeak_SetParameter(number, value, 0)
        self._pieces, self._phones, self._words = [], [], []
        data = text.encode() + b"\0"
        self._library.espeak_Synth(data, len(data), 0, 1, 0, UTF8 | PHONE_INPUT, None, None)
        wave = np.concatenate([np.zeros(0, np.int16), *self._pieces])
        return Spoken(
            wave.astype(np.float32) / 32768,
            self.sample_rate,
            tuple(self._phones),
            tuple(self._words),
        )

    def _receive(self, samples, count, events) -> int:
        if samples and count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        number = 0
        while events[number].type != LIST_END:
            event = events[number]
            start_s = event.audio_position / 1000
            if event.type == PHONE:
                symbol = event.id.string.decode("utf-8", errors="replace")
                self._phones.append((symbol.strip(), start_s))
            elif event.type == WORD:
                self._words.append((event.text_position - 1, event.length, start_s))
            number += 1
        return 0
