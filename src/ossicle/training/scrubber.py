"""Names of a run for others: texts without the folders of this machine."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Final

from ossicle.adapters.folder import read_folder
from ossicle.backbones.source import SHIPPED, folder_of
from ossicle.data.corpora import CORPORA, Corpus
from ossicle.data.spec import PLUS, parse, split_spec
from ossicle.errors import DataError, HubError, RunError
from ossicle.paths import HERE, HUB, HubName, expand, is_there
from ossicle.settings import split_query
from ossicle.training.folder import (
    CONFIG,
    PARENT,
    STARTED_IN,
    VERSIONS,
    places_of,
    read_json,
)

_OWN: Final = "your own"  # licence of the readers of recordings that are nobody else's
_LOCAL: Final = re.compile(
    r"(?<![\w.:/\\-])(?:~|[A-Za-z]:|file:)?[/\\]+(?:[^/\\\s'\"?&,;()]+[/\\]+)+([^/\\\s'\"?&,;()]*)"
)


@dataclass(frozen=True)
class Source:
    """A part of the data of a run, as others may see it.

    Attributes:
        reader: Name of its reader.
        name: Its data string, without the folders above.
    """

    reader: str
    name: str

    @property
    def corpus(self) -> Corpus | None:
        """The corpus that others can get; None for somebody's own recordings."""
        found = CORPORA.get(self.reader)
        return None if found is None or found.licence == _OWN else found


def sources_of(spec: str, places: Sequence[Path] = HERE) -> list[Source]:
    """Return the parts of a data string, without the folders above their last one."""
    found = []
    for part in split_spec(spec, places):
        try:
            at = next((one for one in places if is_there(parse(part, one).path)), places[0])
            reader, path, options = parse(part, at)
        except DataError:
            reader, path, options = part, Path(part.partition("?")[0]), {}
        if reader not in CORPORA:
            found.append(Source("unknown", PurePath(part.partition("?")[0]).name))
            continue
        name = reader if CORPORA[reader].home else f"{reader}:{path.name}"
        texts = [f"{key}={_last(value)}" for key, value in options.items()]
        found.append(Source(reader, name + ("?" + "&".join(texts) if texts else "")))
    return found


def shared_data(spec: str, places: Sequence[Path] = HERE) -> str:
    """Return a data string without the folders above its last one."""
    return PLUS.join(one.name for one in sources_of(spec, places))


def is_local(name: str, places: Sequence[Path] = HERE) -> bool:
    """Return whether a backbone is a folder on this machine, wherever it is now."""
    path = name.partition("?")[0]
    if path in SHIPPED or path.startswith((HUB, "config:")):
        return False
    looks = path.startswith((".", "/", "~")) or "\\" in path or path.count("/") > 1
    return looks or folder_of(path, places) is not None


def hub_id(name: str, places: Sequence[Path] = HERE) -> str | None:
    """Return the id of a backbone on the hub; None if it is not there."""
    path = name.partition("?")[0]
    named = HubName.parse(path)
    if named is not None:
        return named.repo
    return path if "/" in path and not is_local(name, places) else None


@dataclass
class Scrubber:
    """Replaces what is local in texts and plain data.

    Attributes:
        known: Texts that are known to be local, and what is written instead.
        never: Texts that must not be left in any file.
    """

    known: dict[str, str] = field(default_factory=dict)
    never: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, run: Path, base: str | None = None) -> "Scrubber":
        """Return what replaces the local texts of a run, and of the runs before it.

        Args:
            run: Its folder.
            base: Name of the backbone for others, if it is a folder here.
        """
        made = cls()
        made._add_stage(run, base)
        made.never |= {str(Path.home()), os.path.realpath(run), str(run.absolute())} - {"/"}
        return made

    def _add_stage(self, run: Path, base: str | None) -> None:
        places = places_of(run)
        with suppress(RunError):
            self.never |= {
                text
                for key, text in read_json(run / VERSIONS).items()
                if key == STARTED_IN and text not in ("/", str(Path.home().anchor))
            }
        backbone = read_folder(run).facts["backbone"]["name"]
        self.known[backbone] = shared_backbone(backbone, base, places)
        config = read_json(run / CONFIG) if (run / CONFIG).is_file() else {}
        for key in ("data", "also"):
            if config.get(key):
                self._add_data(config[key], places)
        for key in ("backbone", "parent", "recipe"):
            text = config.get(key) or ""
            if key == "backbone" and text:
                self.known[text] = shared_backbone(text, base, places)
            elif "/" in text and is_there(places[0] / expand(text)):
                self.known[text] = PurePath(text).name
        if (run / PARENT).is_dir():
            self._add_stage(run / PARENT, base)

    def _add_data(self, spec: str, places: Sequence[Path]) -> None:
        self.known[spec] = shared_data(spec, places)
        for part in split_spec(spec, places):
            self.known[part] = shared_data(part, places)
            with suppress(DataError):
                path = parse(part).path
                for text in (str(path), str(path.absolute()), os.path.realpath(path)):
                    if len(PurePath(text).parts) > 1:
                        self.known[text] = path.name

    def __call__(self, value: Any) -> Any:
        """Return plain data with every text replaced, in keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self(one) for key, one in value.items()}
        return [self(one) for one in value] if isinstance(value, list | tuple) else value

    def text(self, text: str) -> str:
        """Return a text with local paths replaced by their last part."""
        if text in self.known:
            return self.known[text]
        long = sorted((one for one in self.known if "/" in one or "\\" in one), key=len)
        if long:
            either = "|".join(re.escape(one) for one in reversed(long))
            text = re.sub(
                rf"(?<![\w./-])(?:{either})(?![\w-])", lambda found: self.known[found[0]], text
            )
        return _LOCAL.sub(lambda found: found[1] or "...", text)

    def check(self, folder: Path) -> None:
        """Raise if a text file of a folder still names a place on this machine.

        Raises:
            HubError: one does.
        """
        for file in sorted(folder.rglob("*")):
            if file.suffix not in (".json", ".md"):
                continue
            content = file.read_text(encoding="utf-8")
            for text in self.never:
                if text in content or json.dumps(text)[1:-1] in content:
                    raise HubError(
                        f"'{file.relative_to(folder)}' would still name the folder '{text}' of "
                        "this machine, so nothing is uploaded. Rename what it is part of, and "
                        "please report this"
                    )


def shared_backbone(name: str, base: str | None, places: Sequence[Path] = HERE) -> str:
    """Return the name of a backbone for others.

    Raises:
        HubError: it is a folder on this machine, and no other name is given.
    """
    path, options = split_query(name, HubError)
    if not is_local(name, places):
        return name
    if base is None:
        raise HubError(
            f"the run was trained on the folder '{path}', which others do not have. Name where "
            "they find the same weights with --base, such as --base openai/whisper-base; a name "
            "without a slash says that they must have it"
        )
    query = "&".join(f"{key}={value}" for key, value in options.items())
    return f"{base}?{query}" if query else base


def _last(value: str) -> str:
    """Return the last part of an option that is a path; other values as they are."""
    local = "/" in value and (value.startswith((".", "/", "~")) or is_there(expand(value)))
    return PurePath(value).name if local else value
