"""The options `map` and `where`, which all readers have, and the dataset that they leave."""

from dataclasses import replace
from typing import Final

from ossicle.data.corpora.drawn import complete
from ossicle.data.corpora.option import Option, Options
from ossicle.data.corpora.validation import with_validation
from ossicle.data.dataset import Dataset
from ossicle.data.manifest import Manifest
from ossicle.data.pairs import MAP, WHERE
from ossicle.data.selection import Selection, kept_trials

SELECTION: Final = {
    MAP: Option("new names of labels: OLD=NEW,OLD=NEW"),
    WHERE: Option("recordings to keep, after map: COLUMN=VALUE,COLUMN=VALUE"),
}


def selected(name: str, found: Dataset | Manifest, options: Options) -> Dataset:
    """Return the recordings that `where` keeps, with the labels that `map` gives.

    A split that the data give is chosen from after the split; one that is drawn, before the draw.

    Args:
        name: Name of the data, for messages.
        found: Result of the reader.
        options: Options of the data string, with defaults.

    Raises:
        DataError: a column, value or label does not exist, or a split cannot be drawn.
    """
    selection = Selection.parse(options)
    kept = selection.of(name, found.utterances, found.label_name)
    note = selection.note(kept, found.utterances)
    trials = kept_trials(found.trials, kept, selection) if selection.wanted else found.trials
    if isinstance(found, Manifest):
        dataset = complete(name, replace(found, utterances=kept, trials=trials), options)
    else:
        by_key = {one.key: one for one in kept}
        train, valid, test = (
            tuple(by_key[one.key] for one in part if one.key in by_key)
            for part in found.sides.values()
        )
        dataset = replace(found, train=train, valid=valid, test=test, trials=trials)
        if not found.valid:
            dataset = with_validation(dataset)
    return replace(dataset, note=f"{dataset.note} {note}".strip())
