"""Tar shards, as WebDataset writes them: sounds with a .json, or a .cls or .txt, beside each.

000000.tar: a/1.flac  a/1.json {"label": "dog", "speaker": "anna"}  a/2.flac  a/2.json

A folder of shards, sides in folders train, valid and test or at the start of the names; or a single
shard. Nothing is unpacked: a recording is read where it lies in its shard.
"""

import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from ossicle.data.corpora.base import Corpus, Example, Options
from ossicle.data.corpora.drawn import DRAW_OPTIONS, complete
from ossicle.data.manifest import SIDE_BY_NAME, Dataset, Manifest, Utterance
from ossicle.errors import DataError, listing

_SOUND = frozenset(("wav", "flac", "ogg", "opus", "mp3"))
_TEXT = frozenset(("cls", "txt"))
_COMPRESSED = ("*.tar.*", "*.tgz")
_BLOCK = 512  # bytes; a tar ends with blocks of zeros


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
    utterances, split = [], {}
    for shard in shards:
        side = _side(shard, path)
        for one in _samples(shard, path, options["label"] or ""):
            utterances.append(one)
            if side:
                split[one.key] = side
    if not utterances:
        raise DataError(f"{path} holds no recordings: {len(shards)} shards have no samples.")
    if split and len(split) < len(utterances):
        without = [shard.name for shard in shards if not _side(shard, path)]
        raise DataError(
            f"{path}: {listing(without)} are of no side, and other shards are. Put each into a "
            "folder train, valid or test."
        )
    return complete(f"webdataset:{path}", Manifest(tuple(utterances), split), options)


def _side(shard: Path, root: Path) -> str | None:
    """Return the side that a shard's folder or its own name tells."""
    inside = shard.relative_to(root).parts if shard != root else (shard.name,)
    # The first word of a name: of train-000, train_000 and train000 alike.
    words = [*inside[:-1], *re.findall("^[A-Za-z]+", inside[-1])]
    return next(
        (SIDE_BY_NAME[word.lower()] for word in words if word.lower() in SIDE_BY_NAME), None
    )


def _samples(shard: Path, root: Path, label: str) -> Iterator[Utterance]:
    sounds: dict[str, tarfile.TarInfo] = {}
    facts: dict[str, dict[str, str]] = {}
    kinds: dict[str, list[str]] = {}
    try:
        _refuse_cut_short(shard)
        with tarfile.open(shard, mode="r:") as tar:
            for member in tar:
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
    if odd := sorted(key for key in sounds if label not in facts.get(key, {})):
        raise DataError(
            f"{shard}: {len(odd)} recordings have no '{label}': {listing(odd)}. Write a .json with "
            "it, a .cls or a .txt beside each, or name another field with label=FIELD."
        )
    name = shard.relative_to(root).as_posix() if shard != root else shard.name
    for key, member in sounds.items():
        about = facts[key]
        span = (member.offset_data, member.size)
        yield Utterance(f"{name}/{key}", shard, about[label], about.get("speaker"), span=span)


def _refuse_cut_short(shard: Path) -> None:
    """Raise where the end mark is not there, which tarfile does not miss between two members."""
    with shard.open("rb") as file:
        file.seek(max(0, shard.stat().st_size - _BLOCK))
        if any(file.read()):
            raise tarfile.ReadError("it has no end mark")


def _facts(shard: Path, name: str, kind: str, text: str, label: str) -> dict[str, str]:
    if kind.lower() in _TEXT:
        return {label: text.strip()}
    try:
        data = json.loads(text)
    except ValueError as error:
        raise DataError(f"{shard}: {name} is not JSON: {error}. Write it anew.") from error
    if not isinstance(data, dict):
        raise DataError(f'{shard}: {name} holds no object such as {{"label": "dog"}}.')
    if isinstance(data.get(label), list | dict):
        raise DataError(
            f"{shard}: the {label} of {name} is no text or number. Write tags as dog|rain."
        )
    return {key: str(value) for key, value in data.items() if value is not None}


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
