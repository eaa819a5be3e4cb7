"""Beam search against an exhaustive search with torch's CTC loss."""

import itertools
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from ossicle.errors import RunError
from ossicle.tasks import PhoneRecognition, SpeechRecognition
from ossicle.tasks.decoder import build_decoder

UNITS = (" ", "a", "b")
ARPA = (
    "\\data\\\nngram 1=5\nngram 2=2\n\n\\1-grams:\n-2.0\t<unk>\n0\t<s>\t-0.1\n-0.9\t</s>\n"
    "-0.5\tab\t-0.2\n-0.6\tb\t-0.3\n\n\\2-grams:\n-0.2\t<s> ab\n-0.1\tab b\n\n\\end\\\n"
)
UNIGRAMS = {"ab": -0.5, "b": -0.6, "</s>": -0.9}
BIGRAMS = {("<s>", "ab"): -0.2, ("ab", "b"): -0.1}
BACKOFFS = {"<s>": -0.1, "ab": -0.2, "b": -0.3}


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    (tmp_path / "words.arpa").write_text(ARPA)
    return tmp_path / "words.arpa"


def log_prob(frames: torch.Tensor, text: str) -> torch.Tensor:
    """Return ln P(text | frames); frames (T, V) are logarithms."""
    if not text:
        return frames[:, 0].sum()
    numbers = torch.tensor([[UNITS.index(letter) + 1 for letter in text]])
    sizes = torch.tensor([len(frames)]), torch.tensor([len(text)])
    return -F.ctc_loss(frames[:, None], numbers, *sizes, reduction="none")[0]


def texts(longest: int) -> list[str]:
    lengths = range(longest + 1)
    return ["".join(p) for n in lengths for p in itertools.product(UNITS, repeat=n)]


def words_prob(text: str) -> float:
    """Return log10 of a text by the model of `ARPA`."""
    total, last = 0.0, "<s>"
    for word in [*text.split(), "</s>"]:
        total += BIGRAMS.get((last, word), BACKOFFS[last] + UNIGRAMS[word])
        last = word
    return total


def best(of: Callable[[torch.Tensor], dict[str, torch.Tensor]], frames: torch.Tensor) -> str:
    scores = of(frames)
    return max(scores, key=lambda text: float(scores[text]))


def test_without_a_language_model_it_finds_the_likeliest_text() -> None:
    search = build_decoder("beam(size=500)", UNITS, by_word=True)
    for seed in range(10):
        frames = 1.5 * torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
        logs = frames.log_softmax(dim=-1)
        expected = max(texts(5), key=lambda text: float(log_prob(logs, text)))
        assert "".join(UNITS[number - 1] for number in search(frames)) == expected


def test_with_one_it_weighs_words_and_their_number(arpa: Path) -> None:
    search = build_decoder(
        f"beam(size=500,lm={arpa},lm_weight=2,word_score=0.3)", UNITS, by_word=True
    )
    spelt = [text for text in texts(6) if set(text.split()) <= {"ab", "b"} and text[-1:] == " "]
    for seed in range(10):
        frames = 1.5 * torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
        end = torch.full((1, 4), -1e4)
        end[0, 1] = 0.0  # a space ends the last word
        logs = torch.cat((frames.log_softmax(dim=-1), end))
        ways = defaultdict(list)
        for text in spelt:
            ways[" ".join(text.split())].append(log_prob(logs, text))
        scores = {
            words: float(torch.logsumexp(torch.stack(of), dim=0))
            + 2 * words_prob(words)
            + 0.3 * len(words.split())
            for words, of in ways.items()
        }
        found = "".join(UNITS[number - 1] for number in search(frames)).strip()
        assert found == max(scores, key=lambda words: scores[words])


def test_a_task_uses_its_decoder(arpa: Path) -> None:
    asr = SpeechRecognition(UNITS)
    # Greedily "a b"; the language model knows no word a, and ab is nearer than b b.
    frames = torch.tensor([[0.0, 0, 9, 0], [0, 2, 0, 0], [0, 0, 0, 9.0]])
    assert asr.decode(frames)["label"] == "a b"
    assert asr.with_decoder(f"beam(lm={arpa})").decode(frames)["label"] == "ab"
    assert asr.decode(frames)["label"] == "a b"  # the task itself is as it was
    phones = PhoneRecognition(["n", "oʊ"])
    assert phones.with_decoder("beam").decode(torch.eye(3)[[1, 0, 2, 2]] * 9)["label"] == "n oʊ"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("beem", "no decoder 'beem'; available: greedy, beam. Did you mean 'beam'"),
        ("beam(lm=gone.arpa)", "'gone.arpa' cannot be read"),
        (
            "beam(lm=gone.bin)",
            "the words of 'gone.bin' cannot be listed; give them with words=",
        ),
        ("beam(sise=3)", "decoder 'beam' has no setting 'sise'"),
    ],
)
def test_a_decoder_that_cannot_be_made_says_why(text: str, message: str) -> None:
    with pytest.raises(RunError, match=message):
        build_decoder(text, UNITS, by_word=True)


def test_words_that_cannot_be_spelt_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("xy zz")
    with pytest.raises(RunError, match=r"none of the 2 words \(xy, zz\) can be spelt"):
        build_decoder(f"beam(words={tmp_path / 'words.txt'})", UNITS, by_word=True)


def test_other_tasks_have_no_decoder() -> None:
    from ossicle.tasks import Classification

    with pytest.raises(RunError, match="classification has no choice of decoders"):
        Classification(["a", "b"]).with_decoder("beam")
