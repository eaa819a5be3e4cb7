"""Full fine-tuning: train the parameters of a site in place.

`full@backbone` trains everything, `full@layer[-2:]` the last two layers. Nothing is inserted, so
the backbone itself changes and cannot be shared with other adapters.
"""

from dataclasses import dataclass
from typing import ClassVar

from ossicle.anatomy import Site
from ossicle.errors import RecipeMismatch
from ossicle.methods.base import Method, Part, TrainInPlace


@dataclass(frozen=True)
class Full(Method):
    """Full fine-tuning has no settings."""

    name: ClassVar[str] = "full"
    default_at: ClassVar[tuple[str, ...]] = ("backbone",)
    default_lr: ClassVar[float] = 5e-5
    part: ClassVar[Part] = "backbone"

    def build(self, site: Site) -> TrainInPlace:
        """Return the marker for training the site's own parameters."""
        if not site.owned_modules:
            raise RecipeMismatch(f"'{site.name}' has no parameters of its own to train in place")
        return TrainInPlace()
