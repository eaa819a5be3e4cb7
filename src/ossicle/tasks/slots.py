"""Slot filling as in SUPERB: a text with markers around the value of each slot, with CTC.

    play B-artist the beatles E-artist now

A marker is one unit; all other text is spelt by character. Slot-type F1 compares the slots found in
a recording with those of the reference, and is averaged over recordings. Slot-value CER compares
their values, over all recordings together; a slot that was not found counts as an empty value.

Source: SUPERB, Yang et al. 2021, https://arxiv.org/abs/2105.01051, section 2.2 and its code, which
compares each reference value with the nearest of the slot's values.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from ossicle.metrics.edits import character_edits, rate
from ossicle.metrics.metric import Metric
from ossicle.tasks.ctc import Transcription

FIRST, LAST = "B-", "E-"


@final
class SlotFilling(Transcription):
    """Text by character, with slot markers."""

    name: ClassVar[str] = "slots"
    suggested_by: ClassVar[tuple[str, ...]] = ("slots",)
    about: ClassVar[str] = "a transcript by character, with its slots marked"
    higher_is_better: ClassVar[bool] = True
    label_format: ClassVar[str] = "the text, with B-SLOT and E-SLOT around the value of each slot"
    example: ClassVar[tuple[str, str]] = ("B-x a E-x", "B-y b E-y")
    primary_metric: ClassVar[str] = "slot_type_f1"
    reported: ClassVar[Mapping[str, Metric]] = {
        "slot_type_f1": Metric("slot-type F1"),
        "slot_value_cer": Metric("slot-value CER"),
    }
    recording_score: ClassVar[Metric] = Metric("slot-type F1")

    def normalised(self, text: str) -> str:
        """Return the normalised text; markers stay as they are."""
        words = (word if _is_marker(word) else self.rule(word) for word in text.split())
        return " ".join(word for word in words if word)

    @staticmethod
    def spell(text: str) -> list[str]:
        """Return characters and markers; a run of spaces is one unit."""
        units: list[str] = []
        for word in text.split():
            units += [" "] if units else []
            units += [word] if _is_marker(word) else list(word)
        return units

    @staticmethod
    def join(units: Sequence[str]) -> str:
        """Return the text, with spaces around markers."""
        spaced = [f" {unit} " if len(unit) > 2 else unit for unit in units]
        return " ".join("".join(spaced).split())

    @classmethod
    def edits(
        cls, labels: Sequence[str], hypotheses: Sequence[str]
    ) -> dict[str, NDArray[np.int64]]:
        """Return errors and characters of the slot values of each recording."""
        rows = []
        for label, one in zip(labels, hypotheses, strict=True):
            truth, found = slots(label), slots(one)
            edits = np.zeros(2, dtype=np.int64)
            for slot, values in truth.items():
                for value in values:
                    tried = [
                        character_edits([value], [other])[0] for other in found.get(slot, [""])
                    ]
                    edits += min(tried, key=lambda pair: int(pair[0]))
            rows.append(edits)
        return {"slot_value_cer": np.array(rows)}

    def recording_scores(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> list[float]:
        """Return the slot-type F1 of each recording."""
        pairs = zip(labels, (one["label"] for one in decoded), strict=True)
        return [
            type_f1(set(slots(self.normalised(label))), set(slots(self.normalised(hypothesis))))
            for label, hypothesis in pairs
        ]

    def metrics_by_rows(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a fast function from row numbers to the two metrics."""
        edits = self._edits(labels, decoded)["slot_value_cer"]
        types = np.array(self.recording_scores(labels, decoded))

        def of(rows: NDArray[np.intp]) -> Mapping[str, float]:
            chosen = edits[rows]
            cer = rate(chosen) if chosen[:, 1].any() else 0.0
            return {"slot_type_f1": float(types[rows].mean()), "slot_value_cer": cer}

        return of


def _is_marker(word: str) -> bool:
    return word.startswith((FIRST, LAST)) and len(word) > 2


def slots(text: str) -> dict[str, list[str]]:
    """Return the values of each slot of a text, without slots that are empty or not closed."""
    found: dict[str, list[str]] = {}
    inside: dict[str, list[str]] = {}
    for word in text.split():
        if word.startswith(FIRST) and len(word) > 2:
            inside[word[2:]] = []
        elif word.startswith(LAST) and word[2:] in inside:
            if words := inside.pop(word[2:]):
                found.setdefault(word[2:], []).append(" ".join(words))
        else:
            for words in inside.values():
                words.append(word)
    return found


def type_f1(truth: set[str], found: set[str]) -> float:
    """Return the F1 of slot types; 1 if neither the text nor the prediction has a slot."""
    total = len(truth) + len(found)
    return 2 * len(truth & found) / total if total else 1.0
