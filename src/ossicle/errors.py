"""Every error that ossicle raises for a reason a user can mend.

    OssicleError
    ├── RecipeError               a recipe that cannot be read
    │   └── UnknownRecipe         ... because no preset or method has that name
    ├── SiteNotFound              a backbone has no site of that name
    ├── RecipeMismatch            a recipe or a saved adapter does not fit this backbone
    ├── AttachError               an adapter is in place and would train to nothing
    │   ├── SiteNeverCalled       ... the forward pass does not go through its site
    │   └── NoGradient            ... its tensors receive no gradient
    ├── MergeError                an adapter that no weights of the backbone can take in
    ├── BackboneError             a backbone that cannot be found, read or used
    ├── AdapterFileError          an adapter folder that is damaged or is none
    ├── DataError                 labelled recordings that cannot be used
    │   ├── AudioError            ... recordings that cannot be read or hold no sound
    │   ├── ManifestError         ... a list of recordings that is not complete
    │   ├── SplitError            ... a split that leaks or leaves a side empty
    │   └── LabelError            ... a label never seen in training, or only one class
    └── RunError                  a run folder that cannot be started, resumed or read

A message says what is so, what was expected and what to do, with the values. The command line
prints it without a traceback and exits with status 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class OssicleError(Exception):
    """Base of all errors that a user can mend."""


class RecipeError(OssicleError):
    """A recipe that cannot be read."""


class UnknownRecipe(RecipeError):
    """No preset or method has that name."""


class SiteNotFound(OssicleError):
    """A backbone has no site of that name."""


class RecipeMismatch(OssicleError):
    """A recipe or a saved adapter does not fit this backbone."""


class AttachError(OssicleError):
    """An adapter is in place and would train to nothing."""


class SiteNeverCalled(AttachError):
    """A forward pass does not go through an adapter's site exactly once."""


class NoGradient(AttachError):
    """A tensor that should train receives no gradient."""


class MergeError(OssicleError):
    """An adapter that no weights of the backbone can take in."""


class BackboneError(OssicleError):
    """A backbone that cannot be found, read or used."""


class AdapterFileError(OssicleError):
    """An adapter folder that is damaged or is none."""


class DataError(OssicleError):
    """Labelled recordings that cannot be used."""


class AudioError(DataError):
    """Recordings that cannot be read or hold no sound."""


class ManifestError(DataError):
    """A list of recordings that is not complete."""


class SplitError(DataError):
    """A split that leaks from one side to another or leaves a side empty."""


class LabelError(DataError):
    """A label never seen in training, or a training set of one class."""


class RunError(OssicleError):
    """A run folder that cannot be started, resumed or read."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known name, or an empty string."""
    near = get_close_matches(name[:80], list(known), n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else ""


def listing(items: Iterable[object], most: int = 10) -> str:
    """Return the items separated by commas, the first ``most`` of them and a count of the rest."""
    texts = [str(item) for item in items]
    rest = f", ... and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + rest
