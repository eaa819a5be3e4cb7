"""Tar shards, as WebDataset writes them: sounds with a .json, or a .cls or .txt, beside each.

000000.tar: a/1.flac  a/1.json {"label": "dog", "speaker": "anna"}  a/2.flac  a/2.json

A folder of shards, sides in folders train, valid and test or at the start of the names; or a single
shard. Nothing is unpacked: a recording is read where it lies in its shard.
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
from ossicle.data.corpora.drawn import DRAW_OPTIONS, complete
from ossicle.data.dataset import Dataset
from ossicle.data.manifest import Gathered, Manifest, merged, sample_rate
from ossicle.data.roles import NO, find_columns
from ossicle.data.rows import cell, parse_record
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, listing

_SOUND = frozenset(("wav", "flac", "ogg", "opus", "mp3"))
_TEXT = frozenset(("cls", "txt"))
_COMPRESSED = ("*.tar.*", "*.tgz")
_BLOCK = 512  # bytes; a tar ends with blocks of zeros


class Sample(NamedTuple):
    """A recording of a shard.

    Attributes:
        key: Its name, up to the first dot.
        span: First byte and number of bytes in the shard.
        facts: What the files beside it say.
    """

    key: str
    span: tuple[int, int]
    facts: Mapping[str, object]


def _read(path: Path, options: Options) -> Dataset:
    shards = [path] if path.is_file() else sorted(path.rglob("*.tar"))
    packed = sorted(file.name for kind in _COMPRESSED for file in path.rglob(kind))
    if packed:
        raise DataError(
            f"{path} holds compressed shards: {listing(packed)}. Decompress them, so that "
            "recordings can be read where they lie."
        )
    if not shards:
        raise DataError(f"{path} holds no *.tar. Give a folder of shards, or a shard.")
    parts: list[tuple[str | None, Manifest]] = []
    for shard in shards:
        side = _side(shard, path)
        about = {**options, "fold": options["fold"] or NO} if side else options
        if samples := _samples(shard, options["text"] or options["label"] or ""):
            parts.append((side, _manifest(shard, path, samples, about)))
    if not parts:
        raise DataError(f"{path} holds no recordings: {len(shards)} shards have no samples.")
    if any(side for side, _ in parts) and not all(side for side, _ in parts):
        without = [shard.name for shard in shards if not _side(shard, path)]
        raise DataError(
            f"{path}: {listing(without)} are of no side, and other shards are. Put each into a "
            "folder train, valid or test."
        )
    return complete(f"webdataset:{path}", merged(parts), options)


def _manifest(shard: Path, root: Path, samples: Sequence[Sample], options: Options) -> Manifest:
    """Return what a shard holds."""
    names = dict.fromkeys(name for sample in samples for name in sample.facts)
    columns = find_columns(root.name, list(names), options, {}, has_path=False)
    if odd := sorted(one.key for one in samples if not set(columns.labels) <= one.facts.keys()):
        raise DataError(
            f"{shard}: {len(odd)} recordings have no '{','.join(columns.labels)}': {listing(odd)}. "
            "Write a .json with it, a .cls or a .txt beside each, or name another field with "
            "label=FIELD."
        )
    name = shard.relative_to(root).as_posix() if shard != root else shard.name
    gathered = Gathered(columns)
    for key, span, facts in samples:
        where = f"{shard}, {key}"
        record = {one: cell(where, one, facts[one]) for one in columns.used if one in facts}
        part = columns.part(where, record, partial(sample_rate, shard, span))
        label, speaker = columns.label(where, record), columns.text("speaker", record)
        utterance = Utterance(f"{name}/{key}", shard, label, speaker or None, *part, span=span)
        gathered.add(where, record, utterance)
    return gathered.manifest(options)


def _side(shard: Path, root: Path) -> str | None:
    """Return the side that a shard's folder or its own name tells."""
    inside = shard.relative_to(root).parts if shard != root else (shard.name,)
    # The first word of a name: of train-000, train_000 and train000 alike.
    words = [*inside[:-1], *re.findall("^[A-Za-z]+", inside[-1])]
    return next(
        (SIDE_BY_NAME[word.lower()] for word in words if word.lower() in SIDE_BY_NAME), None
    )


def _samples(shard: Path, label: str) -> list[Sample]:
    """Return the recordings of a shard; what a .cls or a .txt holds is called by the label."""
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
                            f"{shard} has two sounds for {key}: {first.name} and {member.name}. "
                            "Give each a name of its own."
                        )
                    sounds[key] = member
                elif kind.lower() == "json" or kind.lower() in _TEXT:
                    file = tar.extractfile(member)
                    assert file is not None  # it is a file
                    text = file.read().decode("utf-8")
                    facts.setdefault(key, {}).update(_facts(shard, member.name, kind, text, label))
    except (tarfile.TarError, UnicodeDecodeError) as error:
        raise DataError(
            f"{shard} cannot be read: {error}. Shards have to be whole, and not compressed."
        ) from error
    if mute := [f"{key}.{kinds[key][0]}" for key in kinds if key not in sounds]:
        raise DataError(
            f"{shard}: {len(mute)} samples have no sound: {listing(mute)}. Expected "
            f"{listing(sorted(_SOUND))} after the first dot of a name."
        )
    return [
        Sample(key, (member.offset_data, member.size), facts.get(key, {}))
        for key, member in sounds.items()
    ]


def _refuse_cut_short(shard: Path) -> None:
    """Raise where the end mark is not there, which tarfile does not miss between two members."""
    with shard.open("rb") as file:
        file.seek(max(0, shard.stat().st_size - _BLOCK))
        if any(file.read()):
            raise tarfile.ReadError("it has no end mark")


def _facts(shard: Path, name: str, kind: str, text: str, label: str) -> dict[str, object]:
    if kind.lower() in _TEXT:
        return {label: text.strip()}
    return parse_record(f"{shard}, {name}", text)


def _pack(root: Path) -> None:
    """Put the files of each side's folder into a shard, and remove them."""
    for side in ("train", "val", "test"):
        with tarfile.open(root / f"{side}-000000.tar", "w") as tar:
            for file in sorted((root / side).iterdir()):
                tar.add(file, arcname=file.name)
                file.unlink()
        (root / side).rmdir()


CORPUS = Corpus(
    name="webdataset",
    summary=(
        "Tar shards as WebDataset writes them, for corpora too large for files: each sound with a "
        ".json that holds label, and where known speaker, or with a .cls or .txt. Recordings are "
        "read where they lie."
    ),
    size="yours",
    protocol=(
        "Sides are those of folders or names that begin with train, valid or test; the others are "
        "drawn, by label and, where speakers are known, by speaker."
    ),
    source="https://github.com/webdataset/webdataset",
    licence="your own",
    options=DRAW_OPTIONS,
    read=_read,
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
