"""Join several datasets to one: their train, valid and test recordings, and verification trials.

    emodb:a + urdu:b      keys emodb/wav/03a01Wa.wav and urdu/Sad/SM1_F1_S001.flac, speaker emodb/03

Keys and speakers get the name of the reader, numbered where two paths have the same one. Data from
one reader and path share their speakers, so that two parts of one corpus cannot leak through them.
The result is split by speaker if one of the data is; data that name no speakers prevent it.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace

from ossicle.data.columns import SIDES
from ossicle.data.dataset import Dataset
from ossicle.data.selection import is_plain
from ossicle.data.utterance import Trial, Utterance
from ossicle.errors import DataError, SplitError, listing

Place = tuple[str, Hashable]  # reader, and what tells its data from others


def joined(name: str, places: Sequence[Place], datasets: Sequence[Dataset]) -> Dataset:
    """Return one dataset of several.

    Args:
        name: Name of the result.
        places: Reader and path of each dataset.
        datasets: The datasets, each with a split of its own.

    Raises:
        DataError: their labels mean different things, or only some have verification trials or
            validate on their test recordings.
        SplitError: a recording is in two of them.
    """
    _check_agreement(name, datasets)
    names = _names(places)
    parts = [_renamed(part, own) for part, own in zip(datasets, names, strict=True)]
    _check_keys(name, parts)
    train, valid, test = (
        tuple(one for part in parts for one in part.sides[side]) for side in SIDES
    )
    sides = dict.fromkeys(side for part in parts for side in part.trials)
    about = list(zip(names, parts, strict=True))
    label_names = dict.fromkeys(part.label_name for part in parts)
    unnamed = [own for own, part in about if all(one.speaker is None for one in part.utterances)]
    notices = [f"{own}: {notice}" for own, part in about for notice in part.notices]
    notices += [f"{own} names no speakers, who may be in two splits." for own in unnamed]
    return Dataset(
        name,
        train,
        valid,
        test,
        speaker_independent=any(part.speaker_independent for part in parts) and not unnamed,
        given=all(part.given for part in parts),
        note=" ".join(f"{own}: {part.note}" for own, part in about),
        label_name=next(iter(label_names)) if len(label_names) == 1 else "label",
        trials={
            side: tuple(one for part in parts for one in part.trials.get(side, ()))
            for side in sides
        },
        validates_on_test=parts[0].validates_on_test,
        notices=tuple(notices),
    )


def _names(places: Sequence[Place]) -> list[str]:
    """Return the name of each place: its reader, with a number from the second of a reader on."""
    names: dict[Place, str] = {}
    for place in places:
        same = sum(reader == place[0] for reader, _ in names)
        names.setdefault(place, f"{place[0]}-{same + 1}" if same else place[0])
    return [names[place] for place in places]


def _renamed(part: Dataset, name: str) -> Dataset:
    """Return a dataset with unique keys and speakers, and labels where these are the speakers."""
    speakers = all(one.label == one.speaker for one in part.utterances)

    def unique(one: Utterance) -> Utterance:
        speaker = None if one.speaker is None else f"{name}/{one.speaker}"
        label = f"{name}/{one.label}" if speakers else one.label
        return replace(one, key=f"{name}/{one.key}", speaker=speaker, label=label)

    train, valid, test = (tuple(map(unique, side)) for side in part.sides.values())
    trials = {
        side: tuple(Trial(f"{name}/{a}", f"{name}/{b}", same) for a, b, same in pairs)
        for side, pairs in part.trials.items()
    }
    return replace(part, train=train, valid=valid, test=test, trials=trials)


def _check_agreement(name: str, datasets: Sequence[Dataset]) -> None:
    labels = {part.label_name for part in datasets}
    if len(labels) > 1 and not all(map(is_plain, labels)):
        raise DataError(
            f"'{name}' joins labels of different kinds: {_each(datasets, 'label_name')}. Choose "
            "the same kind in each, with label=..."
        )
    if len({bool(part.trials) for part in datasets}) > 1:
        raise DataError(
            f"'{name}' joins data with and without a list of trials. Give each of them a list, or "
            "none."
        )
    if len({part.validates_on_test for part in datasets}) > 1:
        raise DataError(
            f"'{name}': only some of the data validate on their test recordings. Choose the same "
            "protocol in each."
        )


def _each(datasets: Iterable[Dataset], attribute: str) -> str:
    return listing(f"'{getattr(part, attribute)}' in {part.name}" for part in datasets)


def _check_keys(name: str, parts: Sequence[Dataset]) -> None:
    keys: set[str] = set()
    for part in parts:
        own = {one.key for one in part.utterances}
        if both := sorted(keys & own):
            raise SplitError(
                f"'{name}': {len(both)} recordings are in two of the data: {listing(both, 3)}. "
                "Choose each recording once."
            )
        keys |= own
