"""A repository of the hub as a local folder, in the hub client's own cache."""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ossicle.errors import HubError, listing
from ossicle.hub.failures import Unreachable, failures
from ossicle.paths import HubName

_LOGGER: Final = logging.getLogger(__name__)
_PREFIX: Final = "models--"


def download(
    name: HubName, patterns: Sequence[str], needed: Sequence[str] = (), kind: str = ""
) -> Path:
    """Return the local folder of a repository, after downloading what is not there yet.

    Without a connection, the copy of an earlier download is used, with a warning.

    Args:
        name: The repository.
        patterns: Which files to download, such as `*.json`; `*` matches slashes too.
        needed: Names of files, of which the repository must have one; checked before anything is
            downloaded.
        kind: What a repository with one of them is, such as "a run of ossicle".

    Raises:
        HubError: it cannot be downloaded, or has none of the files that are needed.
    """
    from huggingface_hub import HfApi, snapshot_download

    what = str(name)
    wanted: dict[str, Any] = {"revision": name.revision, "allow_patterns": list(patterns)}
    with quiet_hub(), failures(what):
        try:
            with failures(what):
                info = HfApi().model_info(name.repo, revision=name.revision)
        except Unreachable as error:
            folder = _copy_of(name.repo, wanted, error)
            _LOGGER.warning(f"{error}. The copy downloaded before is used: commit {folder.name}")
            return folder
        names = [one.rfilename for one in info.siblings or ()]
        if needed and not set(needed) & set(names):
            raise HubError(_lacks(what, kind, needed, names))
        return Path(snapshot_download(name.repo, **wanted))


def _copy_of(repo: str, wanted: Mapping[str, Any], error: Unreachable) -> Path:
    """Return the folder of an earlier download, if there is a whole one."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, **wanted, local_files_only=True))
    except LocalEntryNotFoundError:
        raise HubError(f"{error}; no whole copy of it was downloaded before") from error


def _lacks(what: str, kind: str, needed: Sequence[str], names: Sequence[str]) -> str:
    return (
        f"'{what}' is not {kind}: it has no {' and no '.join(needed)}. It has "
        f"{listing(sorted(names)) or 'no files'}"
    )


def name_of(folder: Path) -> str:
    """Return the name of a folder; of a downloaded repository, that of the repository.

    The folder of a download has the name of a commit, `models--USER--NAME/snapshots/COMMIT`.
    """
    folder = folder.absolute()
    repo = folder.parent.parent.name
    if folder.parent.name == "snapshots" and repo.startswith(_PREFIX):
        return repo.removeprefix(_PREFIX).rpartition("--")[2]
    return folder.name


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Silence the log of the hub's client, and its progress bars unless stderr is a terminal."""
    from huggingface_hub.utils import logging
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    level, had_bars = logging.get_verbosity(), not are_progress_bars_disabled()
    logging.set_verbosity_error()
    hides = had_bars and not sys.stderr.isatty()
    if hides:
        disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if hides:
            enable_progress_bars()
