"""From generated tokens to a text with segments, and signs that it is not what was said.

    window     |<|0.00|> so<|1.20|><|1.20|> it is<|2.40|><|2.40|> cut o|   two times that meet end a
    next                                             starts here^          segment

The first row of the output of a window is the log probability of no speech. A window counts as
silence if that is likely and the text is not: its text is left out. A text that compresses well
repeats itself. The published way then draws texts at random at rising temperatures, which is not
done here: the text is kept, and the answer says so. A window without sound is silence without
asking the model.

Source: Radford et al. 2022, https://arxiv.org/abs/2212.04356, section 4.5, with the thresholds of
the authors' code. The compression ratio is that of the text in UTF-8, as there; transformers
computes it from token ids.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.settings import Setting
from ossicle.writing import Generating, TokenTable

TIME_STEP_S: Final = 0.02
NEVER: Final = -1e4  # a logarithm
SIGNS: Final = ("no_speech", "repetitive", "improbable")
_ALL: Final = {
    "max_tokens": Setting("most tokens of a text; 0: by the length of the recording", 0, low=0),
    "suppress": Setting(
        "whether symbols that the checkpoint suppresses are left out", "yes", ("yes", "no")
    ),
    "no_speech": Setting(
        "probability of no speech above which an unlikely text is left out; 1: never",
        0.6,
        low=0,
        high=1,
    ),
    "log_prob": Setting("mean log probability of tokens below which a text is unlikely", -1.0),
    "compression_ratio": Setting("compression ratio above which a text repeats itself", 2.4, low=0),
}
TEXT_DECODERS: Final[dict[str, dict[str, Setting]]] = {
    "greedy": _ALL,
    "beam": {
        "size": Setting("beam size: hypotheses kept for each token", 5, low=1, high=100),
        **_ALL,
    },
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a text is taken for something that was not said.

    Attributes:
        no_speech: Probability of no speech above which an unlikely text is left out.
        log_prob: Mean log probability of its tokens below which a text is unlikely.
        compression_ratio: Bytes of a text by bytes compressed, above which it repeats itself.
    """

    no_speech: float = 0.6
    log_prob: float = -1.0
    compression_ratio: float = 2.4


def generating(settings: dict[str, Any]) -> tuple[Generating, Thresholds]:
    """Return how texts are generated, and the thresholds, from the settings of a decoder."""
    how = Generating(
        beams=settings.get("size", 1),
        max_tokens=settings["max_tokens"] or None,
        suppress=settings["suppress"] == "yes",
    )
    return how, Thresholds(
        settings["no_speech"], settings["log_prob"], settings["compression_ratio"]
    )


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a window.

    Attributes:
        start_s: Start in the recording, in seconds.
        end_s: End in the recording, in seconds.
        ids: Its tokens.
    """

    start_s: float
    end_s: float
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """What was generated for a window of a recording.

    Attributes:
        start_s: Start in the recording, in seconds.
        end_s: End in the recording, in seconds.
        no_speech: Probability of no speech.
        log_prob: Mean log probability of the tokens.
        ids: The tokens, without the end.
        tokens: The tokenizer.
    """

    start_s: float
    end_s: float
    no_speech: float
    log_prob: float
    ids: tuple[int, ...]
    tokens: TokenTable

    def signs(self, thresholds: Thresholds) -> dict[str, bool]:
        """Return whether the window is taken for silence, or its text is doubtful."""
        improbable = self.log_prob < thresholds.log_prob
        silent = improbable and self.no_speech > thresholds.no_speech
        ratio = compression_ratio(self.tokens.decode(self.ids))
        repetitive = not silent and ratio > thresholds.compression_ratio
        return dict(zip(SIGNS, (silent, repetitive, improbable and not silent), strict=True))

    def parts(self) -> tuple[list[Segment], float]:
        """Return the segments, and where the next window starts, in seconds.

        Text after the last pair of times is cut off by the end of the window, and left for the
        next one. The rule is that of the authors' code and of transformers.
        """
        zero = self.tokens.first_time
        is_time = [one >= zero for one in self.ids]
        cuts = [n for n in range(1, len(self.ids)) if is_time[n - 1] and is_time[n]]
        ends_once = is_time[-2:] == [False, True]
        if not cuts:
            times = [one - zero for one in self.ids if one > zero]
            end_s = self._at(times[-1]) if times else self.end_s
            return [Segment(self.start_s, end_s, self.ids)], self.end_s
        bounds = [0, *cuts, *([len(self.ids)] if ends_once else [])]
        found = []
        for start, stop in pairwise(bounds):
            ids = self.ids[start:stop]
            found.append(Segment(self._at(ids[0] - zero), self._at(ids[-1] - zero), ids))
        return found, self.end_s if ends_once else found[-1].end_s

    def _at(self, steps: int) -> float:
        """Return a time in the recording; in the silence after its end, that end."""
        return min(self.start_s + steps * TIME_STEP_S, self.end_s)


def compression_ratio(text: str) -> float:
    """Return the bytes of a text divided by those of it compressed; 0 for an empty one."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def placed(
    output: Float[Tensor, "U 2"], start_s: float, end_s: float, *, silent: bool = False
) -> Float[Tensor, "U 4"]:
    """Return the output of a window with its start and end in the recording, in seconds.

    Of a window without sound, no speech is certain and every token impossible: on digital silence
    models write a word such as "you", with too high a probability for the thresholds.
    """
    if silent:
        output = output.clone()
        output[0, 1], output[1:, 1] = 0.0, NEVER
    place = torch.tensor([[start_s, end_s]], dtype=output.dtype, device=output.device)
    return torch.cat((output[:, :2], place.expand(len(output), -1)), dim=1)


def read_windows(output: Float[Tensor, "U C"], tokens: TokenTable) -> list[Window]:
    """Return the windows of an output: each begins with the token of no speech.

    Args:
        output: Tokens, log probabilities, and start and end of the window if it is `placed`.
        tokens: The tokenizer.
    """
    rows: list[list[float]] = output.tolist()
    begun = [n for n, row in enumerate(rows) if row[0] == tokens.no_speech]
    bounds = sorted({0, *begun, len(rows)})
    pairs = pairwise(bounds)
    return [_window(rows[start:stop], tokens) for start, stop in pairs]


def _window(rows: Sequence[Sequence[float]], tokens: TokenTable) -> Window:
    has_first = rows[0][0] == tokens.no_speech
    text = rows[1:] if has_first else rows
    start_s, end_s = rows[0][2:4] if len(rows[0]) > 2 else (0.0, 0.0)
    return Window(
        start_s=start_s,
        end_s=end_s,
        no_speech=math.exp(rows[0][1]) if has_first else 0.0,
        log_prob=sum(row[1] for row in text) / max(len(text), 1),
        ids=tuple(int(row[0]) for row in text if int(row[0]) != tokens.end),
        tokens=tokens,
    )


def answer(windows: Sequence[Window], thresholds: Thresholds, *, times: bool) -> dict[str, Any]:
    """Return the text as `label`, the signs that it is not what was said, and segments.

    Args:
        windows: The windows of a recording.
        thresholds: When a window is taken for silence.
        times: Whether segments are given.
    """
    signs = [window.signs(thresholds) for window in windows]
    heard = [w for w, sign in zip(windows, signs, strict=True) if not sign["no_speech"]]
    segments = [segment for window in heard for segment in window.parts()[0]]
    tokens = windows[0].tokens
    found: dict[str, Any] = {
        "label": tokens.decode([one for segment in segments for one in segment.ids]),
        "no_speech": all(sign["no_speech"] for sign in signs),
        **{name: any(sign[name] for sign in signs) for name in SIGNS[1:]},
    }
    if times:
        found["segments"] = [
            {"start_s": round(one.start_s, 2), "end_s": round(one.end_s, 2), "text": text}
            for one in segments
            if (text := tokens.decode(one.ids))
        ]
    return found
