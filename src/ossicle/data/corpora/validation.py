"""Draw validation recordings from training, for a release without a validation set."""

from dataclasses import replace

from ossicle.data.dataset import Dataset
from ossicle.data.split import draw
from ossicle.data.utterance import Utterance
from ossicle.errors import SplitError, listing

NO_VALIDATION = "The data have no validation split"  # begins a notice
_FRACTION = 0.1  # fraction of training


def with_validation(dataset: Dataset) -> Dataset:
    """Return the dataset with a tenth of training as validation, if it has no validation.

    It is drawn by speaker if the split is by speaker, or by recording if training has a single
    speaker.

    Raises:
        SplitError: training has a single speaker, who is also in test.
    """
    if dataset.valid or dataset.validates_on_test:
        return dataset
    speakers = {one.speaker for one in dataset.train}
    independent = dataset.speaker_independent and None not in speakers
    units = speakers if independent and len(speakers) > 1 else {one.path for one in dataset.train}
    if len(units) < 2:
        return dataset  # the check of the split reports that validation is empty
    by_speaker = units is speakers
    if independent and not by_speaker:
        _check_test(dataset)
    train, valid = drawn(dataset.train, by_speaker=by_speaker)
    how = "by speaker" if by_speaker else "by recording"
    notice = f"{NO_VALIDATION}: {len(valid)} training recordings, drawn {how}, "
    notice += "are used for validation."
    if independent and not by_speaker:
        notice += " Training has a single speaker, who is in both of these splits."
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
    """Return nine tenths of training, and the other tenth for validation."""
    rest, valid, _ = draw(train, fractions=(_FRACTION, 0.0), by_speaker=by_speaker, seed=0)
    return rest, valid


def _check_test(dataset: Dataset) -> None:
    shared = {one.speaker for one in dataset.train} & {one.speaker for one in dataset.test}
    if shared:
        raise SplitError(
            f"{dataset.name}: speaker {listing(map(str, shared))} is in train and in test. Move "
            "the recordings to one split."
        )
