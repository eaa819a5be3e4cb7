"""Locate the files of a backbone: shipped with ossicle, in a folder, or on the hub."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from transformers.safetensors_conversion import auto_conversion
from transformers.utils.hub import cached_file

from ossicle.backbones.settings import EXTRACTOR, one_line
from ossicle.backbones.weights import INDEX, WEIGHTS, shards
from ossicle.errors import BackboneError, did_you_mean, listing
from ossicle.hub import in_words
from ossicle.paths import HERE, HubName, check_name, find, is_there, looked_in
from ossicle.strict_json import read_object

SHIPPED: Final = {
    file.parent.name: file.parent
    for file in sorted((Path(__file__).parent / "pretrained").glob("*/config.json"))
}
GENERATION: Final = "generation_config.json"
PROCESSOR: Final = "processor_config.json"  # holds the extractor in newer checkpoints


def folder_of(path: str, places: Sequence[Path] = HERE) -> Path | None:
    """Return the local folder of a backbone; None if the name is not one."""
    if path in SHIPPED:
        return SHIPPED[path]
    if HubName.parse(path) is not None:
        return None
    folder = find(path, places)
    return folder if is_there(folder) and folder.is_dir() else None


class Source:
    """The files of one backbone.

    Attributes:
        path: Name, hub id or folder as the user gave it.
        folder: Local folder of the files; None if they are on the hub.
    """

    def __init__(self, path: str, revision: str | None, places: Sequence[Path] = HERE) -> None:
        check_name(path, places)
        self.path = path
        self.folder = folder_of(path, places)
        self._places = places
        named = HubName.parse(path)
        if named is not None and named.revision and revision:
            raise BackboneError(
                f"'{path:.200}?revision={revision:.80}' names two revisions; give one of them"
            )
        self._repo = path if named is None else named.repo
        self._revision = revision if named is None else named.revision or revision

    def read(self, name: str) -> dict[str, Any]:
        """Return the content of a JSON file.

        Raises:
            BackboneError: it is missing or damaged.
        """
        try:
            return read_object(self._file(name))
        except (OSError, RuntimeError, ValueError) as error:
            if name == EXTRACTOR and isinstance(error, OSError):
                found = self._from_processor()
                if found is not None:
                    return found
            raise self._unreadable(name, error) from error

    def weights(self) -> list[Path]:
        """Return the safetensors files.

        Raises:
            BackboneError: the backbone has no safetensors files.
        """
        try:
            return [self._file(WEIGHTS)]
        except (OSError, RuntimeError, ValueError) as error:
            whole = error
        try:
            index = self._file(INDEX)
        except (OSError, RuntimeError, ValueError):
            index = None
        if index is not None:
            return self._shards(index)
        converted = None if self.folder or self._revision else self._converted()
        if converted is None:
            raise self._unreadable(WEIGHTS, whole) from whole
        return self._shards(converted) if converted.name == INDEX else [converted]

    def file(self, name: str) -> Path | None:
        """Return the path of a file; None if the backbone has none of that name."""
        try:
            return self._file(name)
        except (OSError, RuntimeError, ValueError):
            return None

    def _file(self, name: str) -> Path:
        if self.folder is None:
            found = cached_file(self._repo, name, revision=self._revision)
            if found is None:
                raise FileNotFoundError(f"{name} not found")
            return Path(found)
        if not (self.folder / name).exists():
            raise FileNotFoundError(f"the folder has no {name}")
        return self.folder / name

    def _from_processor(self) -> dict[str, Any] | None:
        """Return the feature extractor's settings from the processor file, if there is one."""
        try:
            part = read_object(self._file(PROCESSOR)).get("feature_extractor")
        except (OSError, RuntimeError, ValueError):
            return None
        return part if isinstance(part, dict) else None

    def _shards(self, index: Path) -> list[Path]:
        names = shards(self.path, index)
        try:
            return [index.parent / name if self.folder else self._file(name) for name in names]
        except (OSError, RuntimeError, ValueError) as error:
            raise self._unreadable(INDEX, error) from error

    def _converted(self) -> Path | None:
        """Return the safetensors file that the hub converted from pickled weights, if any."""
        found = auto_conversion(self._repo, ignore_errors_during_conversion=True)
        if not found or not found[0]:
            return None
        self._revision = found[1]
        return Path(found[0])

    def _unreadable(self, name: str, error: Exception) -> BackboneError:
        reason = one_line(error)
        if self.folder is None and self._repo == self.path:
            reason += (
                " (there is no local folder of that name either, and ossicle ships "
                f"{listing(SHIPPED)}).{did_you_mean(self.path[:80], SHIPPED)}"
                f"{looked_in(self._places)}"
            )
        elif self.folder is None:  # the name says that it is on the hub
            reason = str(in_words(self.path, error.__cause__ or error) or reason)
        elif not any(self.folder.glob("*.safetensors")) and name == WEIGHTS:
            reason = (
                "the folder has no .safetensors file, and ossicle does not load pickled weights. "
                "Save the model again with transformers' save_pretrained"
            )
        elif isinstance(error, FileNotFoundError):
            reason += "; a folder in the hub's layout needs one"
        return BackboneError(f"backbone '{self.path:.200}': {name} cannot be read: {reason}")
