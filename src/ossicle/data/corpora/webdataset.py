"""Tar shards in WebDataset's layout: audio files, each with a .json, .cls or .txt file.

000000.tar: a/1.flac  a/1.json {"label": "dog", "speaker": "anna"}  a/2.flac  a/2.json

A folder of shards, or a single shard. Splits are folders train, valid and test, or the beginning of
the shards' names. Nothing is unpacked: recordings are read from within their shards.
"""

import json
import re
import tarfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ossicle.data.columns import SIDE_BY_NAME
from ossicle.data.corpora.base import Corpus, Example, Options
from ossicle.data.corpora.drawn import DRAW_OPTIONS, folds_by_column
from ossicle.data.manifest import Manifest, RowCollector, merged, sample_rate
from ossicle.data.roles import NO, find_columns
from ossicle.data.rows import cell, parse_record
from ossicle.data.selection import TABLE_COLUMNS
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, listing

_SOUND = frozenset(("wav", "flac", "ogg", "opus", "mp3"))
_TEXT = frozenset(("cls", "txt"))
_COMPRESSED = ("*.tar.*", "*.tgz")
_BLOCK = 512  # bytes; a tar ends with blocks of zeros


class Sample(NamedTuple):
    """A recording in a shard.

    Attributes:
        key: Name up to the first dot.
        span: First byte and number of bytes in the shard.
        facts: Fields of its .json, .cls and .txt files.
    """

    key: str
    span: tuple[int, int]
    facts: Mapping[str, object]


def _contents(path: Path, options: Options) -> Manifest:
    shards = [path] if path.is_file() else sorted(path.rglob("*.tar"))
    packed = sorted(file.name for kind in _COMPRESSED for file in path.rglob(kind))
    if packed:
        raise DataError(
            f"{path} has compressed shards: {listing(packed)}. Decompress them, because recordings "
            "are read from within the shards."
        )
    if not shards:
        raise DataError(f"{path} has no *.tar. Give a folder of shards, or a shard.")
    parts: list[tuple[str | None, Manifest]] = []
    for shard in shards:
        side = _side(shard, path)
        about = {**options, "fold": options["fold"] or NO} if side else options
        if samples := _samples(shard, options["text"] or options["label"] or ""):
            parts.append((side, _manifest(shard, path, samples, about)))
    if not parts:
        raise DataError(
            f"{path} has no recordings: its {len(shards)} shards are empty. Write the shards again."
        )
    if any(side for side, _ in parts) and not all(side for side, _ in parts):
        without = [shard.name for shard in shards if not _side(shard, path)]
        raise DataError(
            f"{path}: {listing(without)} have no split, but other shards have. Put each into a "
            "folder train, valid or test."
        )
    return merged(parts)


def _manifest(shard: Path, root: Path, samples: Sequence[Sample], options: Options) -> Manifest:
    """Return the contents of a shard."""
    names = dict.fromkeys(name for sample in samples for name in sample.facts)
    columns = find_columns(root.name, list(names), options, {}, has_path=False)
    if odd := sorted(one.key for one in samples if not set(columns.labels) <= one.facts.keys()):
        raise DataError(
            f"{shard}: {len(odd)} recordings have no '{','.join(columns.labels)}': {listing(odd)}. "
            "Add a .json with this field, a .cls or a .txt for each, or choose another field with "
            "label=FIELD."
        )
    name = shard.relative_to(root).as_posix() if shard != root else shard.name
    collector = RowCollector(columns, options)
    for key, span, facts in samples:
        where = f"{shard}, {key}"
        record = {one: cell(where, one, facts[one]) for one in columns.used if one in facts}
        part = columns.part(where, record, partial(sample_rate, shard, span))
        label, speaker = columns.label(where, record), columns.text("speaker", record)
        asked, who = columns.text("prompt", record), speaker or None
        utterance = Utterance(f"{name}/{key}", shard, label, who, *part, span=span, prompt=asked)
        collector.add(where, record, utterance)
    return collector.manifest(options)


def _side(shard: Path, root: Path) -> str | None:
    """Return the split of a shard, by its folder or name."""
    inside = shard.relative_to(root).parts if shard != root else (shard.name,)
    # The leading letters of a name, as in train-000, train_000 and train000.
    words = [*inside[:-1], *re.findall("^[A-Za-z]+", inside[-1])]
    return next(
        (SIDE_BY_NAME[word.lower()] for word in words if word.lower() in SIDE_BY_NAME), None
    )


def _samples(shard: Path, label: str) -> list[Sample]:
    """Return the recordings of a shard; the content of a .cls or .txt is the field `label`."""
    sounds: dict[str, tarfile.TarInfo] = {}
    facts: dict[str, dict[str, object]] = {}
    kinds: dict[str, list[str]] = {}
    try:
        _refuse_cut_short(shard)
        with tarfile.open(shard, mode="r:") as tar:
            for member in tar:
                if member.offset_data + member.size > shard.stat().st_size:
                    raise tarfile.ReadError(f"{member.name} is larger than the shard")
                folder, slash, name = member.name.rpartition("/")
                stem, _, kind = name.partition(".")
                key = f"{folder}{slash}{stem}"
                if not member.isfile() or name.startswith("."):
                    continue
                kinds.setdefault(key, []).append(kind)
                if kind.lower() in _SOUND:
                    if first := sounds.get(key):
                        raise DataError(
                            f"{shard} has two audio files for {key}: {first.name} and "
                            f"{member.name}. Give each a unique name."
                        )
                    sounds[key] = member
                elif kind.lower() == "json" or kind.lower() in _TEXT:
                    file = tar.extractfile(member)
                    assert file is not None  # isfile() was checked
                    text = file.read().decode("utf-8")
                    facts.setdefault(key, {}).update(_facts(shard, member.name, kind, text, label))
    except (tarfile.TarError, UnicodeDecodeError) as error:
        raise DataError(
            f"{shard} cannot be read: {error}. Expected a complete, uncompressed tar file."
        ) from error
    if mute := [f"{key}.{kinds[key][0]}" for key in kinds if key not in sounds]:
        raise DataError(
            f"{shard}: {len(mute)} samples have no audio file: {listing(mute)}. Expected "
            f"{listing(sorted(_SOUND))} after the first dot of a name."
        )
    return [
        Sample(key, (member.offset_data, member.size), facts.get(key, {}))
        for key, member in sounds.items()
    ]


def _refuse_cut_short(shard: Path) -> None:
    """Raise ReadError without an end mark; tarfile does not notice truncation between members."""
    with shard.open("rb") as file:
        file.seek(max(0, shard.stat().st_size - _BLOCK))
        if any(file.read()):
            raise tarfile.ReadError("it has no end mark")


def _facts(shard: Path, name: str, kind: str, text: str, label: str) -> dict[str, object]:
    if kind.lower() in _TEXT:
        return {label: text.strip()}
    return parse_record(f"{shard}, {name}", text)


def _pack(root: Path) -> None:
    """Pack the files of each split's folder into a shard, and remove them."""
    for side in ("train", "val", "test"):
        with tarfile.open(root / f"{side}-000000.tar", "w") as tar:
            for file in sorted((root / side).iterdir()):
                tar.add(file, arcname=file.name)
                file.unlink()
        (root / side).rmdir()


CORPUS = Corpus(
    name="webdataset",
    summary=(
        "Tar shards in WebDataset's layout, for corpora with too many files: each audio file with "
        "a .json that has label and optionally speaker, or with a .cls or .txt. Recordings are "
        "read from within the shards."
    ),
    size="any",
    protocol=(
        "Splits are given by folders or names that begin with train, valid or test; the others are "
        "drawn at random, stratified by label and, if speakers are known, by speaker."
    ),
    source="https://github.com/webdataset/webdataset",
    licence="your own",
    options=DRAW_OPTIONS,
    read=_contents,
    folds=folds_by_column(_contents),
    columns=TABLE_COLUMNS,
    example=Example(
        files={f"{side}/{name}.wav": None for side in ("train", "val", "test") for name in "ab"}
        | {
            f"{side}/{name}.json": json.dumps({"label": label, "speaker": f"{side}-one"})
            for side in ("train", "val", "test")
            for name, label in (("a", "no"), ("b", "yes"))
        },
        labels=("no", "yes"),
        pack=_pack,
    ),
)
