"""Adapters of a bank as one model: an ensemble, or a single adapter.

rows -> frozen part, once -> adapter a -> outputs of member a -> Task.combine_members
                          -> adapter b -> outputs of member b ->
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ossicle.adapters.folder import read_folder
from ossicle.backbones import Backbone
from ossicle.errors import AdapterFileError
from ossicle.frozen.part import BatchRow
from ossicle.heads import Outputs
from ossicle.inference.bank import AdapterBank
from ossicle.inference.predictor import Predictor, longest_piece
from ossicle.inference.saved_task import read_task


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
        inputs = [row.model_input for row in rows if row.model_input is not None]
        requests = [(number, name) for name in self.names for number in range(len(inputs))]
        found = self.bank.run(inputs, requests)
        starts = range(0, len(found), len(inputs))
        return [Outputs.of(found[start : start + len(inputs)]) for start in starts]


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
    return Predictor(Ensemble(bank, list(folders)), task, limit)
