"""Replay: a share of the earlier training recordings is trained on together with the new ones.

    training recordings  <-  new ones + share of those of all earlier stages

They are drawn by class, by the seed, so that each class keeps its share; at least one of each.
Draws are nested: a larger share has all recordings of a smaller one. In an epoch each of them is
seen once, as is each new one. They are listed in `split.json` among the training recordings.

Source: Chaudhry et al. 2019, https://arxiv.org/abs/1902.10486 (experience replay from an episodic
memory); the memory is a share of the recordings, where theirs is a number for each class.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from ossicle.continual.keep import Keep
from ossicle.data import Dataset, Utterance
from ossicle.data.sizes import ClassesIn
from ossicle.data.subset import draw_fraction
from ossicle.settings import Setting


class Replay(Keep):
    """Trains on a share of the earlier recordings; the recordings of the run have it already."""

    name: ClassVar[str] = "replay"
    about: ClassVar[str] = "trains on a share of the earlier training recordings too"
    source: ClassVar[str] = "Chaudhry et al. 2019, https://arxiv.org/abs/1902.10486"
    setting: ClassVar[tuple[str, Setting]] = (
        "share",
        Setting("share of the earlier training recordings", 0.1, (), 0, 1),
    )
    adds_source: ClassVar[bool] = True


def drawn(
    dataset: Dataset, earlier: Sequence[Utterance], share: float, classes_in: ClassesIn, seed: int
) -> tuple[Utterance, ...]:
    """Return a share of recordings, drawn by class; none with a share of 0."""
    if not share or not earlier:
        return ()
    whole = replace(dataset, train=tuple(earlier))
    return draw_fraction(whole, share, classes_in, seed).train
