"""A folder for each class, or a folder with metadata, as in Hugging Face's audiofolder.

data/dog/1.wav      data/train/dog/1.wav      data/metadata.csv      data/train/metadata.csv
data/cat/2.wav      data/test/cat/2.wav       data/1.wav             data/train/1.wav
"""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ossicle.data.columns import SIDE_BY_NAME
from ossicle.data.corpora.base import MISSING, Corpus, Example, Options
from ossicle.data.corpora.drawn import (
    DRAW_OPTIONS,
    PATH_OPTION,
    TABLE_OPTIONS,
    folds_by_column,
)
from ossicle.data.manifest import Manifest, merged, read_manifest
from ossicle.data.missing import left_out
from ossicle.data.roles import LABEL, NO
from ossicle.data.selection import TABLE_COLUMNS
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, ManifestError, listing

AUDIO = frozenset(
    f".{kind}" for kind in ("wav", "flac", "ogg", "oga", "opus", "mp3", "aif", "aiff", "au", "caf")
)
_METADATA = ("metadata.csv", "metadata.tsv", "metadata.jsonl")
_ABOUT = re.compile(r"(metadata|readme|licen[cs]es?|copying|citation|changelog)(\.\w+)?", re.I)


def _contents(path: Path, options: Options) -> Manifest:
    if not path.is_dir():
        raise DataError(f"{path} is not a folder. For a list of recordings write manifest:{path}")
    left_out(path, 0, 0, (), options)  # checks the option `missing` even without a table
    if manifest := _listed(path, path, options):
        return manifest
    folders = [child for child in _visible(path) if child.is_dir()]
    sides = [SIDE_BY_NAME.get(folder.name.lower()) for folder in folders]
    sides_alone = options["draw"] == "no" and sides and None not in sides  # e.g. only a test folder
    if "train" not in sides and not sides_alone:
        return _classes(path, path, options)
    _refuse(path, [child for child in _visible(path) if child not in folders])
    parts: list[tuple[str, Manifest]] = []
    for folder in folders:
        if not (side := SIDE_BY_NAME.get(folder.name.lower())):
            raise DataError(
                f"{path} has a folder '{folder.name}' next to its train folder. Expected train, "
                "valid (dev, val, validation) and test: move it into one of them, or remove it."
            )
        if side == "valid" and not any(file.is_file() for file in folder.rglob("[!.]*")):
            continue  # an empty folder: validation is drawn from training
        part = _listed(folder, path, options) or _classes(folder, path, options)
        parts.append((side, part))
    return merged(parts)


def _is_root(path: Path) -> bool:
    """Return whether a folder has a table, split folders, or several folders of recordings."""
    if not path.is_dir() or any((path / name).is_file() for name in _METADATA):
        return path.is_dir()
    folders = [child for child in _visible(path) if child.is_dir()]
    if any(SIDE_BY_NAME.get(folder.name.lower()) for folder in folders):
        return True
    sounds = [any(file.suffix.lower() in AUDIO for file in _visible(one)) for one in folders]
    return len(sounds) > 1 and all(sounds)


def _listed(folder: Path, root: Path, options: Options) -> Manifest | None:
    """Return a folder's metadata file as a manifest, with keys from the root; None without one."""
    files = [folder / name for name in _METADATA if (folder / name).is_file()]
    if not files:
        return None
    if len(files) > 1:
        names = " and ".join(file.name for file in files)
        raise ManifestError(f"{folder} has {names}. Keep one of them.")
    if folder != root:
        options = {**options, "fold": options["fold"] or NO}
    manifest = read_manifest(files[0], label=options["label"] or LABEL, options=options)
    manifest = replace(manifest, notices=(*manifest.notices, *_unlisted(files[0], manifest)))
    if folder == root:
        return manifest
    prefix = folder.relative_to(root).as_posix()
    listed = (replace(one, key=f"{prefix}/{one.key}") for one in manifest.utterances)
    split = {f"{prefix}/{key}": side for key, side in manifest.split.items()}
    return replace(manifest, utterances=tuple(listed), split=split)


def _unlisted(table: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return a notice on recordings in a table's folder that it does not list, if any."""
    listed = {os.path.normpath(one.path) for one in manifest.utterances}
    left = [
        path.relative_to(table.parent).as_posix()
        for path in sorted(table.parent.rglob("*"))
        if path.suffix.lower() in AUDIO
        and not path.name.startswith(".")
        and os.path.normpath(path) not in listed
    ]
    if not left:
        return ()
    return (
        f"{len(left)} recordings in {table.parent} are not in {table.name} and were skipped: "
        f"{listing(left, 3)}.",
    )


def _classes(folder: Path, root: Path, options: Options) -> Manifest:
    """Return the recordings of a folder of classes."""
    columns = PATH_OPTION | TABLE_OPTIONS
    if asked := [name for name, one in columns.items() if options[name] not in (None, one.default)]:
        raise DataError(
            f"{asked[0]}={options[asked[0]]} needs a table, and {folder} has no "
            f"{' or '.join(_METADATA)}: its labels are folder names. Leave the option out."
        )
    folders = [child for child in _visible(folder) if child.is_dir()]
    _refuse(folder, [child for child in _visible(folder) if child not in folders])
    utterances = []
    for child in folders:
        files = [file for file in _visible(child) if file.suffix.lower() in AUDIO]
        _refuse(child, [file for file in _visible(child) if file not in files])
        if not files:
            raise DataError(f"{child} has no recordings. Add some or remove the folder.")
        utterances += [Utterance.of(file, root, child.name) for file in files]
    if not utterances:
        raise DataError(
            f"{folder} has no recordings. Expected a folder for each class with .wav, .flac, "
            ".ogg, .opus or .mp3 files, or a metadata.csv."
        )
    return Manifest(tuple(utterances), {})


def _visible(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if not child.name.startswith("."))


def _refuse(folder: Path, others: Sequence[Path]) -> None:
    """Raise DataError for files other than recordings in class folders and documentation."""
    others = [path for path in others if path.is_dir() or not _ABOUT.fullmatch(path.name)]
    if misplaced := [path.name for path in others if path.suffix.lower() in AUDIO]:
        raise DataError(
            f"{folder}: {len(misplaced)} recordings are not in a class folder "
            f"({listing(misplaced)}). Move each into the folder of its class."
        )
    if others:
        raise DataError(
            f"{folder}: cannot read {listing(path.name for path in others)}. Expected .wav, .flac, "
            ".ogg, .opus or .mp3 files directly in the folder of their class: convert or remove "
            "the rest."
        )


CORPUS = Corpus(
    name="audiofolder",
    summary=(
        "A folder for each class with its recordings; or train, valid and test folders of such "
        "folders; or a metadata.csv, .tsv or .jsonl with the columns of a manifest. Splits that "
        "the data do not give are drawn at random, by speaker if known."
    ),
    size="any",
    protocol=(
        "Given splits are kept; the others are drawn at random, stratified by label and, if "
        "speakers are known, by speaker."
    ),
    source="your own recordings, or https://huggingface.co/docs/datasets/audio_dataset",
    licence="your own",
    options=PATH_OPTION | DRAW_OPTIONS | MISSING,
    read=_contents,
    root=_is_root,
    folds=folds_by_column(_contents),
    columns=TABLE_COLUMNS,
    example=Example(
        files={
            "README.md": "Two kinds of weather.",
            **{f"train/{kind}/{i}.flac": None for kind in ("rain", "wind") for i in range(3)},
            **{f"validation/{kind}/3.wav": None for kind in ("rain", "wind")},
            **{f"test/{kind}/4.ogg": None for kind in ("rain", "wind")},
        },
        labels=("rain", "wind"),
    ),
)
