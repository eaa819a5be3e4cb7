"""Backbones: pretrained transformers over speech and sound, one file per model family."""

from ossicle.backbones.backbone import Backbone
from ossicle.backbones.families import FAMILIES, NAMED
from ossicle.backbones.family import Encoded, Family, PartialForward
from ossicle.backbones.load import load_backbone, random_backbone

__all__ = [
    "FAMILIES",
    "NAMED",
    "Backbone",
    "Encoded",
    "Family",
    "PartialForward",
    "load_backbone",
    "random_backbone",
]
