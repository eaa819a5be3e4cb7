"""Heads: modules that compute the output of a task from the frames of a backbone."""

from typing import Final

from ossicle.anatomy import Anatomy
from ossicle.errors import RecipeError, did_you_mean
from ossicle.heads.decoder import DecoderHead
from ossicle.heads.head import (
    AstHead,
    ClsHead,
    FramesHead,
    Head,
    MeanHead,
    MeanStdHead,
    SuperbFramesHead,
    SuperbHead,
)
from ossicle.heads.outputs import Outputs
from ossicle.heads.pool import SUMMARIES, masked_mean
from ossicle.heads.speaker import SpeakerAttentiveHead, SpeakerMeanHead, SpeakerMeanStdHead

HEADS: Final[dict[str, type[Head]]] = {
    head.name: head
    for head in (
        MeanHead,
        ClsHead,
        MeanStdHead,
        SuperbHead,
        AstHead,
        FramesHead,
        SuperbFramesHead,
        SpeakerMeanHead,
        SpeakerMeanStdHead,
        SpeakerAttentiveHead,
        DecoderHead,
    )
}


def build_head(name: str, anatomy: Anatomy, num_outputs: int) -> Head:
    """Return a new head of that name.

    Raises:
        RecipeError: no head has that name.
        RecipeMismatch: the head does not fit this backbone.
    """
    if name not in HEADS:
        raise RecipeError(
            f"no head '{name}'; available: {', '.join(HEADS)}.{did_you_mean(name, HEADS)}"
        )
    return HEADS[name](anatomy, num_outputs)


__all__ = [
    "HEADS",
    "SUMMARIES",
    "AstHead",
    "DecoderHead",
    "Head",
    "Outputs",
    "build_head",
    "masked_mean",
]
