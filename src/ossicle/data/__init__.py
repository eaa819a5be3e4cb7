"""Labelled recordings: read, check, split, decode and batch them. Pure numpy, no torch."""

from ossicle.data.audio import duration_s, load_utterance, load_wave, random_crop, windows
from ossicle.data.augment import AUGMENTATIONS, parse_augment
from ossicle.data.batch import bucketed, bucketed_by_length, padded_fraction
from ossicle.data.clips import Clips, Piece
from ossicle.data.corpora import CORPORA, Corpus
from ossicle.data.dataset import Dataset
from ossicle.data.labels import with_mapping, with_where
from ossicle.data.leaks import Content, check_contents, overlapping
from ossicle.data.manifest import Manifest, read_manifest, write_manifest
from ossicle.data.objects import in_memory
from ossicle.data.scan import Scanned, by_recording, scan
from ossicle.data.spec import open_data, read_data
from ossicle.data.split import check, check_classes, draw
from ossicle.data.utterance import Trial, Utterance

__all__ = [
    "AUGMENTATIONS",
    "CORPORA",
    "Clips",
    "Content",
    "Corpus",
    "Dataset",
    "Manifest",
    "Piece",
    "Scanned",
    "Trial",
    "Utterance",
    "bucketed",
    "bucketed_by_length",
    "by_recording",
    "check",
    "check_classes",
    "check_contents",
    "draw",
    "duration_s",
    "in_memory",
    "load_utterance",
    "load_wave",
    "open_data",
    "overlapping",
    "padded_fraction",
    "parse_augment",
    "random_crop",
    "read_data",
    "read_manifest",
    "scan",
    "windows",
    "with_mapping",
    "with_where",
    "write_manifest",
]
