"""Modules of a transformers model, as peft names them, and the sites of a backbone there."""

from dataclasses import dataclass

from torch import Tensor, nn

from ossicle.anatomy import Site
from ossicle.backbones import Backbone
from ossicle.errors import AdapterFileError


@dataclass(frozen=True, slots=True)
class Modules:
    """The modules of a backbone by their paths in transformers' models.

    Attributes:
        backbone: The backbone.
    """

    backbone: Backbone

    @property
    def prefix(self) -> str:
        """The name of the backbone inside a transformers model with a task head, such as `hubert`.

        The whole Whisper is called `model` inside of `WhisperForConditionalGeneration`.
        """
        return str(self.backbone.model.base_model_prefix)

    def inside(self, path: str) -> str | None:
        """Return the path of a module inside the backbone; None: the backbone has no such module.

        Args:
            path: Its path in a transformers model, with a task head around it or without.
        """
        family, model = self.backbone.family, self.backbone.model
        bare = family.renamed(path.removeprefix(f"{self.prefix}."))
        found = family.path_inside(bare)
        known = found is not None and any(found == name for name, _ in model.named_modules())
        return found if known else None

    def outside(self, path: str, *, headed: bool) -> str:
        """Return the path of a module of the backbone in a transformers model.

        Args:
            path: Its path inside the backbone.
            headed: Whether the model has a task head around it.
        """
        bare = self.backbone.family.path_outside(path)
        return f"{self.prefix}.{bare}" if headed else bare

    def module(self, path: str) -> nn.Module:
        """Return a module of the backbone by its path there."""
        found: nn.Module = self.backbone.model.get_submodule(path)
        return found

    def site(self, path: str) -> Site | None:
        """Return the site that is one module of the backbone; None: there is none."""
        fitting = (one for one in self.backbone.anatomy.sites if one.owned_modules == (path,))
        return next((one for one in fitting if one.exit and one.exit.module == path), None)

    def act_site(self, path: str) -> Site | None:
        """Return the site whose output only this linear reads; None: there is none."""
        sites = self.backbone.anatomy.sites
        return next((site for site in sites if site.next_linear == path), None)

    def is_uncalled(self, site: Site) -> bool:
        """Whether transformers reads the weights of the site's module and never calls it."""
        return site.name in self.backbone.family.uncalled


def check_shape(name: str, tensor: Tensor, expected: tuple[int, ...], backbone: Backbone) -> None:
    """Raise AdapterFileError unless a tensor of a file has the shape that a backbone needs."""
    if tuple(tensor.shape) != expected:
        raise AdapterFileError(
            f"'{name}' has shape {list(tensor.shape)}, and '{backbone.name}' needs "
            f"{list(expected)}. Name the backbone that the adapter was trained on with --backbone"
        )
