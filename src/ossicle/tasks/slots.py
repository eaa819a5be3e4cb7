"""Slot filling in SUPERB's form: text with markers around the value of each slot, with CTC.

    play B-artist the beatles E-artist now

A marker is one unit, everything else is written by character. Slot-type F1 tells which slots were
found in a recording, a mean over recordings; slot-value CER how far their values are from the
reference, over all of them together, a slot that was not found counting as an empty value.

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
    about: ClassVar[str] = "a text with slots marked in it, as in play B-artist abba E-artist"
    higher_is_better: ClassVar[bool] = True
    example: ClassVar[tuple[str, str]] = ("B-x a E-x", "B-y b E-y")
    primary_metric: ClassVar[str] = "slot_type_f1"
    reported: ClassVar[Mapping[str, Metric]] = {
        "slot_type_f1": Metric("slot-type F1"),
        "slot_value_cer": Metric("slot-value CER"),
    }
    recording_score_name: ClassVar[str] = "slot-type F1"

    def written(self, text: str) -> str:
        """Return the text as the rule writes it; markers stay as they are."""
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
        """Return the text; markers stand alone."""
        spaced = [f" {unit} " if len(unit) > 2 else unit for unit in units]
        return " ".join("".join(spaced).split())

    @classmethod
    def edits(cls, labels: Sequence[str], said: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Return errors and characters of the slots' values of each recording."""
        rows = []
        for label, one in zip(labels, said, strict=True):
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
        """Return the F1 of the slots' types of each recording."""
        pairs = zip(labels, (one["label"] for one in decoded), strict=True)
        return [
            type_f1(set(slots(self.written(label))), set(slots(self.written(said))))
            for label, said in pairs
        ]

    def metrics_by_rows(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a quick function from chosen rows to the two metrics."""
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
    """Return the values of each slot of a text; one that is empty or not closed does not count."""
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
    """Return F1 of the slots' types; 1 where there are none and none was found."""
    total = len(truth) + len(found)
    return 2 * len(truth & found) / total if total else 1.0
