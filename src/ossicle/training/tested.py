"""The test recordings of a finished run, opened again."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ossicle.compute.processes import Processes
from ossicle.data import Clips, Utterance
from ossicle.errors import RunError, SplitError, listing
from ossicle.progress import Progress
from ossicle.training.folder import SPLIT, read_json
from ossicle.training.recordings import scan_together
from ossicle.training.split import open_whole
from ossicle.training.trained import Trained

Choose = Callable[[Sequence[Utterance]], Sequence[Utterance]]


def draw(utterances: Sequence[Utterance], most: int) -> list[Utterance]:
    """Return at most so many recordings, drawn always the same, in their order."""
    rows = np.random.default_rng(0).permutation(len(utterances))[:most]
    return [utterances[row] for row in sorted(rows.tolist())]


def tested_clips(trained: Trained, choose: Choose, progress: Progress) -> Clips:
    """Return chosen test recordings of a run.

    Args:
        trained: The run.
        choose: Returns those that are wanted, of all its test recordings.
        progress: Called while recordings are checked.

    Raises:
        DataError: they cannot be read.
        SplitError: some have changed since the run.
        RunError: the split of the run cannot be read.
    """
    folder = trained.folder
    chosen = choose(open_whole(folder).test)
    backbone = trained.model.backbone
    processes = Processes(cpu=next(backbone.parameters()).device.type == "cpu")
    scanned = scan_together(chosen, backbone, processes, progress)
    _check_same(folder, {key: str(one.content) for key, one in scanned.items()})
    sizes = tuple(scanned[one.key].num_samples for one in chosen)
    return Clips(tuple(chosen), sizes, trained.limit)


def _check_same(folder: Path, contents: dict[str, str]) -> None:
    """Raise unless the recordings are those that the run was tested on.

    Raises:
        SplitError: some have changed, or are not among its test recordings.
        RunError: the split of the run cannot be read.
    """
    tested = read_json(folder / SPLIT).get("test")
    if not isinstance(tested, dict):
        raise RunError(f"'{folder / SPLIT}' names no test recordings; copy it again from the run")
    if changed := [key for key, content in contents.items() if tested.get(key) != content]:
        raise SplitError(
            f"{len(changed)} test recordings of '{folder}' have changed since the run: "
            f"{listing(changed, 3)}. Put the originals back"
        )
