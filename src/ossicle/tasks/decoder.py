"""Decoders for CTC: greedy, or beam search with an n-gram language model.

    greedy    the most likely unit of each frame, repetitions merged, blanks removed
    beam      argmax over texts of  ln P(text | frames) + lm_weight log10 P_lm(text) + word_score W

W is the number of words. The search is flashlight-text's, the language model KenLM's: an .arpa or
binary file over words for speech recognition, over phones for phone recognition. With a language
model over words, texts consist of its words only, and a run of spaces counts as one.

Source: Graves & Jaitly 2014; https://github.com/flashlight/text.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from ossicle.errors import RunError, listing
from ossicle.settings import Setting, parse

BLANK: Final = 0  # output number of the blank; units count from 1
NEVER: Final = -1e4  # a logarithm
SPACE: Final = " "
NO_WORDS: Final = ("<s>", "</s>", "<unk>")

Decoder = Callable[[Tensor], Sequence[int]]  # (T, V) -> numbers of units, from 1

DECODERS: Final[dict[str, dict[str, Setting]]] = {
    "greedy": {},
    "beam": {
        "size": Setting("beam size: hypotheses kept at each frame", 50, low=1, high=10**6),
        "lm": Setting("language model: an .arpa file, or a KenLM binary with words=FILE", ""),
        "lm_weight": Setting("weight of the language model", 2.0),
        "word_score": Setting("score added for each word", 0.0),
        "words": Setting("file with the vocabulary, one word a line", ""),
    },
}


def greedy(output: Tensor) -> Sequence[int]:
    """Return the most likely unit of each frame, with repetitions merged and blanks removed."""
    best: list[int] = torch.unique_consecutive(output.argmax(dim=-1)).tolist()
    return [number for number in best if number != BLANK]


def build_decoder(
    text: str,
    units: Sequence[str],
    *,
    by_word: bool,
    normalise: Callable[[str], str] = str,
) -> Decoder:
    """Return the decoder of an expression.

    Args:
        text: `greedy` or `beam(...)`.
        units: The units, in the order of the outputs from 1 on.
        by_word: Whether the language model is over words that the units spell, or over the units.
        normalise: Normalises a word as the transcripts are.

    Raises:
        RunError: the expression is not a decoder, a file cannot be read, or flashlight-text is
            missing.
    """
    name, settings = parse(text, "decoder", DECODERS)
    if name == "greedy":
        return greedy
    try:
        from flashlight.lib.text import decoder as beam
        from flashlight.lib.text.dictionary import Dictionary
    except ImportError as error:
        raise RunError("beam search needs flashlight-text: pip install 'ossicle[beam]'") from error
    words = _words(str(settings["lm"]), str(settings["words"])) if by_word else list(units)
    dictionary = Dictionary(words or ["<unk>"])
    lm = _language_model(beam, str(settings["lm"]), dictionary)
    size, weight = int(settings["size"]), float(settings["lm_weight"])
    if not words:
        return _free(beam, lm, units, size, 0.0)
    if not by_word:
        return _free(beam, lm, units, size, weight)
    spelling = {word: normalise(word) for word in words}
    weights = (weight, float(settings["word_score"]))
    return _spelt(beam, lm, units, spelling, dictionary, size, weights)


def _words(lm: str, words: str) -> list[str]:
    """Return the vocabulary; empty if neither file is given."""
    if words:
        return list(dict.fromkeys(_read(words).split()))
    if not lm:
        return []
    if not lm.endswith(".arpa"):
        raise RunError(f"the words of '{lm}' cannot be listed; give them with words=FILE")
    body = _read(lm).partition("\\1-grams:")[2].partition("\\2-grams:")[0]
    rows = [line.split("\t") for line in body.partition("\\end\\")[0].splitlines()]
    return [row[1].strip() for row in rows if len(row) > 1 and row[1].strip() not in NO_WORDS]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"'{path}' cannot be read: {error}") from error


def _language_model(beam: Any, path: str, dictionary: Any) -> Any:
    if not path:
        return beam.ZeroLM()
    if not Path(path).is_file():
        raise RunError(f"the language model '{path}' does not exist; correct its path")
    from flashlight.lib.text.decoder.kenlm import KenLM

    try:
        return KenLM(path, dictionary)
    except RuntimeError as error:
        raise RunError(f"'{path}' is not a language model that KenLM reads: {error}") from error


def _free(beam: Any, lm: Any, units: Sequence[str], size: int, weight: float) -> Decoder:
    """Return the beam search over all texts; the language model, if any, is over units."""
    options = beam.LexiconFreeDecoderOptions(
        size, len(units) + 1, math.inf, weight, 0.0, True, beam.CriterionType.CTC
    )
    # The language model numbers units from 0, so the blank goes last here.
    search = beam.LexiconFreeDecoder(options, lm, -1, len(units), [])

    def decode(output: Tensor) -> Sequence[int]:
        scores = output.log_softmax(dim=-1).roll(-1, dims=-1)
        tokens = np.array(_best(search, scores).tokens)
        merged = tokens[np.append(True, tokens[1:] != tokens[:-1])]
        return [int(token) + 1 for token in merged if 0 <= token < len(units)]

    return decode


def _spelt(
    beam: Any,
    lm: Any,
    units: Sequence[str],
    spelling: Mapping[str, str],
    dictionary: Any,
    size: int,
    weights: tuple[float, float],
) -> Decoder:
    """Return the beam search over texts of known words; a space ends each word, the last too.

    The language model has words as in its file; `spelling` gives their normalised form.
    """
    number_by_unit = {unit: number for number, unit in enumerate(units, start=1)}
    space = number_by_unit.get(SPACE)
    end = [] if space is None else [space]
    trie, start = beam.Trie(len(units) + 1, BLANK if space is None else space), lm.start(False)
    known = {
        word: text
        for word, text in spelling.items()
        if text and all(letter in number_by_unit for letter in text)
    }
    if not known:
        raise RunError(
            f"none of the {len(spelling)} words ({listing(spelling, 3)}) can be spelt with the "
            f"characters of training: {listing(units, 60)}"
        )
    for word, text in known.items():
        number = dictionary.get_index(word)
        _, score = lm.score(start, number)
        trie.insert([number_by_unit[letter] for letter in text] + end, number, score)
    trie.smear(beam.SmearingMode.MAX)
    options = beam.LexiconDecoderOptions(
        size, len(units) + 1, math.inf, *weights, -math.inf, 0.0, True, beam.CriterionType.CTC
    )
    sil = BLANK if space is None else space
    search = beam.LexiconDecoder(options, trie, lm, sil, BLANK, -1, [], False)

    def decode(output: Tensor) -> Sequence[int]:
        scores = output.log_softmax(dim=-1)
        if space is not None:
            last = torch.full((1, scores.shape[1]), NEVER)
            last[0, space] = 0.0
            scores = torch.cat((scores, last))
        words = [
            known[dictionary.get_entry(number)]
            for number in _best(search, scores).words
            if number >= 0
        ]
        return [number_by_unit[letter] for letter in SPACE.join(words) if letter in number_by_unit]

    return decode


def _best(search: Any, scores: Tensor) -> Any:
    emissions = scores.float().contiguous().numpy()
    return search.decode(emissions.ctypes.data, *emissions.shape)[0]
