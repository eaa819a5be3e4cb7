"""Text normalisation of transcripts: case, punctuation and Unicode form.

The same rule applies to references, hypotheses and the words of a language model, so that a
difference that it removes never counts as an error.

    as in the corpus                        — Dabi, m’ani ne A&E.
    case=lower                              — dabi, m’ani ne a&e.
    case=lower,punctuation=remove           dabi m'ani ne a e

Punctuation is Unicode's general category P, as in jiwer's `RemovePunctuation` and Whisper's
normalisers. It is replaced by a space, as in Whisper's basic normaliser; an apostrophe between two
letters belongs to its word and is kept, written ' (U+0027).
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self

from ossicle.errors import AdapterFileError
from ossicle.settings import Setting

APOSTROPHES: Final = "'\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}"
TEXT_SETTINGS: Final[dict[str, Setting]] = {
    "case": Setting("lower: convert all text to lower case", "keep", ("keep", "lower")),
    "punctuation": Setting(
        "remove: replace punctuation by spaces, except apostrophes within words",
        "keep",
        ("keep", "remove"),
    ),
    "unicode": Setting(
        "Unicode normalisation; nfkc also replaces ligatures, full-width letters and so on",
        "nfc",
        ("nfc", "nfkc"),
    ),
}


@dataclass(frozen=True, slots=True)
class TextRule:
    """A text normalisation.

    Attributes:
        case: keep or lower.
        punctuation: keep or remove.
        unicode: nfc or nfkc.
    """

    case: str = "keep"
    punctuation: str = "keep"
    unicode: str = "nfc"

    def __call__(self, text: str) -> str:
        """Return the normalised text, words separated by single spaces."""
        form: Literal["NFKC", "NFC"] = "NFKC" if self.unicode == "nfkc" else "NFC"
        text = unicodedata.normalize(form, text)
        if self.case == "lower":
            text = unicodedata.normalize(form, text.lower())
        if self.punctuation == "remove":
            text = _without_punctuation(text)
        return " ".join(text.split())

    def to_dict(self) -> dict[str, str]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the rule of a saved task; settings that are absent have their default.

        Raises:
            AdapterFileError: a setting has an unknown value.
        """
        given = {key: data[key] for key in TEXT_SETTINGS if key in data}
        for key, value in given.items():
            if value not in TEXT_SETTINGS[key].choices:
                raise AdapterFileError(
                    f"the text of the task has {key} {value!r}; expected "
                    f"{' or '.join(TEXT_SETTINGS[key].choices)}. Restore the file"
                )
        return cls(**given)


def _without_punctuation(text: str) -> str:
    """Return the text with spaces for punctuation and U+0027 for apostrophes in words."""
    written = []
    for place, sign in enumerate(text):
        around = text[place - 1 : place] + text[place + 1 : place + 2]
        if sign in APOSTROPHES and len(around) == 2 and all(map(_is_letter, around)):
            written.append(APOSTROPHES[0])
        elif unicodedata.category(sign)[0] == "P":
            written.append(" ")
        else:
            written.append(sign)
    return "".join(written)


def _is_letter(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "LM"  # a mark belongs to the letter before it
