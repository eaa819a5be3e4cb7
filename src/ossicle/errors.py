"""Exceptions for every problem that a user can fix.

    OssicleError
    ├── RecipeError               a recipe cannot be parsed
    │   ├── UnknownRecipe         ... because no preset or method has that name
    │   └── BudgetError           ... or fitted to a budget of parameters
    ├── SiteNotFound              the backbone has no site of that name
    ├── RecipeMismatch            a recipe or a saved adapter does not fit this backbone
    ├── AttachError               an adapter is attached but would not train
    │   ├── SiteNeverCalled       ... the forward pass does not call its site
    │   └── NoGradient            ... its parameters receive no gradient
    ├── MergeError                an adapter cannot be merged into weights of the backbone
    ├── ExportError               a run cannot be written in the form of another library
    ├── BackboneError             a backbone cannot be found, loaded or used
    ├── AdapterFileError          an adapter folder is damaged, or a folder is not one
    ├── DataError                 labelled recordings cannot be used
    │   ├── AudioError            ... a recording cannot be decoded or is silent
    │   ├── ManifestError         ... a list of recordings is incomplete
    │   ├── SplitError            ... a split leaks between its parts or leaves one empty
    │   └── LabelError            ... a label was not seen in training, or there is only one class
    ├── RunError                  a run folder cannot be started, resumed or read
    │   └── FolderLocked          ... because another process writes to it
    ├── HubError                  a repository on the hub cannot be read or written
    ├── SearchError               a search has nothing to choose from, or has found nothing
    └── ServeError                a server cannot start, or cannot answer a request

A message names the problem, the offending value, what was expected and how to fix it. The command
line prints it without a traceback and exits with status 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class OssicleError(Exception):
    """Base class of all errors that a user can fix."""


class RecipeError(OssicleError):
    """A recipe cannot be parsed."""


class UnknownRecipe(RecipeError):
    """No preset or method has that name."""


class BudgetError(RecipeError):
    """A recipe cannot be fitted to a budget of parameters."""


class SiteNotFound(OssicleError):
    """The backbone has no site of that name."""


class RecipeMismatch(OssicleError):
    """A recipe or a saved adapter does not fit this backbone."""


class AttachError(OssicleError):
    """An adapter is attached but would not train."""


class SiteNeverCalled(AttachError):
    """A forward pass does not call an adapter's site exactly once."""


class NoGradient(AttachError):
    """A trainable parameter receives no gradient."""


class MergeError(OssicleError):
    """An adapter cannot be merged into weights of the backbone."""


class ExportError(OssicleError):
    """A run cannot be written in the form of another library."""


class BackboneError(OssicleError):
    """A backbone cannot be found, loaded or used."""


class AdapterFileError(OssicleError):
    """An adapter folder is damaged, or a folder is not an adapter folder."""


class DataError(OssicleError):
    """Labelled recordings cannot be used."""


class AudioError(DataError):
    """A recording cannot be decoded or is silent."""


class ManifestError(DataError):
    """A list of recordings is incomplete."""


class SplitError(DataError):
    """A split leaks between its parts or leaves one of them empty."""


class LabelError(DataError):
    """A label was not seen in training, or the training set has only one class."""


class RunError(OssicleError):
    """A run folder cannot be started, resumed or read."""


class FolderLocked(RunError):
    """Another process writes to a run folder."""


class HubError(OssicleError):
    """A repository on the hub cannot be read or written."""


class SearchError(OssicleError):
    """A search has nothing to choose from, or has found nothing."""


class ServeError(OssicleError):
    """A server cannot start, or cannot answer a request."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest known name, or an empty string."""
    near = get_close_matches(name[:80], list(known), n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else ""


def listing(items: Iterable[object], most: int = 10) -> str:
    """Return the first ``most`` items joined by commas, and how many were left out."""
    texts = [str(item) for item in items]
    rest = f", ... and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + rest
