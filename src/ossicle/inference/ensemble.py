"""Several adapters as one model. Those on one backbone run as one batch of a bank.

    rows -> frozen part, once -> adapter a -> outputs of member a -> Vote.decide
                              -> adapter b -> outputs of member b ->

A member that a bank cannot take, because its recipe changes the backbone itself, gets a backbone of
its own. Members on different backbones share nothing.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.adapters.folder import read_folder
from ossicle.adapters.saving import load
from ossicle.backbones import Backbone
from ossicle.errors import AdapterFileError, AttachError
from ossicle.frozen.part import BatchRow
from ossicle.heads import Outputs
from ossicle.inference.adapter_group import Request
from ossicle.inference.bank import AdapterBank
from ossicle.inference.predictor import Group, Predictor, longest_piece
from ossicle.inference.saved_task import read_task
from ossicle.inference.single import SingleModel

_LOGGER: Final = logging.getLogger(__name__)


class Ensemble:
    """Adapters of a bank that all run on every row.

    Attributes:
        bank: The bank, which runs the shared frozen part once.
        names: The adapters, by their names in the bank.
        frozen: None: nothing is cached.
    """

    def __init__(self, bank: AdapterBank, names: Sequence[str]) -> None:
        self.bank, self.names = bank, tuple(names)
        self.frozen = None

    @property
    def backbone(self) -> Backbone:
        """The backbone of the bank."""
        return self.bank.backbone

    @property
    def num_members(self) -> int:
        """The number of adapters."""
        return len(self.names)

    def outputs(self, rows: Sequence[BatchRow]) -> list[Outputs]:
        """Return the outputs for a batch, of every adapter."""
        return [Outputs.of(found) for found in self._read(rows, "output")]

    def embeddings(self, rows: Sequence[BatchRow]) -> list[Float[Tensor, "B E"]]:
        """Return the embeddings of a batch, of every adapter."""
        return [torch.stack(found) for found in self._read(rows, "embedding")]

    def _read(
        self, rows: Sequence[BatchRow], reads: Literal["output", "embedding"]
    ) -> list[list[Tensor]]:
        """Return what is read of each row, for every adapter."""
        given = [row for row in rows if row.model_input is not None]
        inputs = [row.model_input for row in given if row.model_input is not None]
        requests = [
            Request(number, name, reads) for name in self.names for number in range(len(inputs))
        ]
        found = self.bank.run(inputs, requests, texts=[row.text for row in given])
        starts = range(0, len(found), len(inputs))
        return [found[start : start + len(inputs)] for start in starts]


def load_predictor(bank: AdapterBank, folders: Mapping[str, Path | str]) -> Predictor:
    """Load adapter folders into a bank and return a predictor that combines them.

    Args:
        bank: A bank on the backbone that the adapters were trained on.
        folders: Adapter folders, by the name that each adapter gets in the bank.

    Raises:
        AdapterFileError: a folder is damaged, or they were trained for different tasks.
        RecipeMismatch: one was trained on another backbone.
        AttachError: see `AdapterBank.add`.
    """
    found = {
        name: read_task(Path(folder), read_folder(Path(folder)).facts)
        for name, folder in folders.items()
    }
    (first, (task, _)), *others = found.items()
    for name, (other, _) in others:
        if other.to_dict() != task.to_dict():
            raise AdapterFileError(
                f"adapters '{first}' and '{name}' were trained for different tasks or labels, so "
                "their answers cannot be combined; use adapters trained on the same labels"
            )
    for name, folder in folders.items():
        bank.load(name, folder)
    limit = min(longest_piece(bank.backbone, seconds) for _, seconds in found.values())
    names = list(folders)
    group = Group(Ensemble(bank, names), limit, tuple(range(len(names))))
    return Predictor((group,), task.with_tokens(bank.backbone.tokens))


@dataclass(frozen=True)
class Source:
    """Where a member of an ensemble is.

    Attributes:
        name: Its name in messages and in the bank.
        folder: Its adapter folder.
        facts: The content of its `recipe.json`.
        seconds: Its longest window.
    """

    name: str
    folder: Path
    facts: Mapping[str, Any]
    seconds: float

    @property
    def fingerprint(self) -> str:
        """The fingerprint of its backbone."""
        found: str = self.facts["backbone"]["fingerprint"]
        return found


def load_groups(
    sources: Sequence[Source], load_backbone: Callable[[Source], Backbone]
) -> tuple[Group, ...]:
    """Load the members of an ensemble, as few groups as possible.

    What cannot be shared is logged.

    Args:
        sources: The members, in their order.
        load_backbone: Loads the backbone of a member; called again for one that cannot share it.

    Raises:
        OssicleError: a folder is damaged, or a backbone is not the one that it was trained on.
    """
    of_backbone: dict[str, list[int]] = {}
    for place, source in enumerate(sources):
        of_backbone.setdefault(source.fingerprint, []).append(place)
    if len(of_backbone) > 1:
        shown = "; ".join(
            f"{sources[places[0]].facts['backbone']['name']} of "
            + ", ".join(sources[place].name for place in places)
            for places in of_backbone.values()
        )
        _LOGGER.info(
            f"The members are on {len(of_backbone)} backbones, between which nothing is shared: "
            f"{shown}"
        )
    return tuple(
        group
        for places in of_backbone.values()
        for group in _on_one_backbone(sources, places, load_backbone)
    )


def _on_one_backbone(
    sources: Sequence[Source], places: Sequence[int], load_backbone: Callable[[Source], Backbone]
) -> list[Group]:
    """Return a group of the members that a bank can take, and one for each of the others."""
    if len(places) == 1:
        return [_single(sources[places[0]], places[0], load_backbone)]
    bank = AdapterBank(load_backbone(sources[places[0]]))
    banked, alone = [], []
    for place in places:
        try:
            bank.load(sources[place].name, sources[place].folder)
            banked.append(place)
        except AttachError as error:
            alone.append(place)
            _LOGGER.info(
                f"Member '{sources[place].name}' runs on a backbone of its own, in a pass of its "
                f"own: {error}"
            )
    groups = []
    if banked:
        limit = min(longest_piece(bank.backbone, sources[place].seconds) for place in banked)
        model = Ensemble(bank, [sources[place].name for place in banked])
        groups.append(Group(model, limit, tuple(banked)))
    for place in alone:
        groups.append(_single(sources[place], place, load_backbone))
    return groups


def _single(source: Source, place: int, load_backbone: Callable[[Source], Backbone]) -> Group:
    backbone = load_backbone(source)
    model = load(source.folder, backbone).eval()
    return Group(SingleModel(model), longest_piece(backbone, source.seconds), (place,))
