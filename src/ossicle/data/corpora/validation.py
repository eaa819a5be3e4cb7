"""Validation recordings for a release that has none: some of training, never of test."""

from dataclasses import replace

from ossicle.data.dataset import Dataset
from ossicle.data.split import draw
from ossicle.data.utterance import Utterance
from ossicle.errors import SplitError, listing

_SHARE = 0.1  # of training


def with_validation(dataset: Dataset) -> Dataset:
    """Return the dataset with validation recordings, a tenth of training where it has none.

    They are drawn by speaker where the data keep speakers apart, and by recording where training
    has one speaker alone.

    Raises:
        SplitError: training has one speaker alone, who is in test too.
    """
    if dataset.valid or dataset.test_chooses:
        return dataset
    speakers = {one.speaker for one in dataset.train}
    independent = dataset.speaker_independent and None not in speakers
    units = speakers if independent and len(speakers) > 1 else {one.path for one in dataset.train}
    if len(units) < 2:
        return dataset  # the check of the split says that validation is empty
    by_speaker = units is speakers
    if independent and not by_speaker:
        _check_test(dataset)
    train, valid = drawn(dataset.train, by_speaker=by_speaker)
    how = "by speaker" if by_speaker else "by recording"
    notice = f"The data have no validation part: {len(valid)} training recordings, drawn {how}, "
    notice += "choose the epoch."
    if independent and not by_speaker:
        notice += " Training has one speaker alone, who is on both of these sides."
    return replace(
        dataset,
        train=train,
        valid=valid,
        speaker_independent=dataset.speaker_independent and by_speaker,
        note=f"{dataset.note} {notice}".strip(),
        notices=(*dataset.notices, notice),
    )


def drawn(
    train: tuple[Utterance, ...], *, by_speaker: bool
) -> tuple[tuple[Utterance, ...], tuple[Utterance, ...]]:
    """Return training without a tenth of it, and that tenth."""
    rest, valid, _ = draw(train, fractions=(_SHARE, 0.0), by_speaker=by_speaker, seed=0)
    return rest, valid


def _check_test(dataset: Dataset) -> None:
    shared = {one.speaker for one in dataset.train} & {one.speaker for one in dataset.test}
    if shared:
        raise SplitError(
            f"{dataset.name}: speaker {listing(map(str, shared))} is in train and in test. Move "
            "the recordings to one side."
        )
