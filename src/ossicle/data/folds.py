"""Folds: every recording is tested once, in the fold that holds it.

    fold of 5     1      2      3      4      5
    run 1/5      test  valid  train  train  train
    run 2/5     train   test  valid  train  train
    run 5/5     valid  train  train  train   test

A corpus may define its own folds (`folds_of`). For other data, folds are drawn from all recordings
(`draw_fold`), whatever their own split: stratified by class, with all recordings of a speaker in
one fold. The draw depends on the recordings alone, not on their order or the seed of a run.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Int

from ossicle.data.corpora.validation import NO_VALIDATION
from ossicle.data.dataset import Dataset
from ossicle.data.sizes import ClassesIn
from ossicle.data.spec import READERS, find_data, read_data
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, LabelError, SplitError, listing
from ossicle.paths import HERE

FEWEST: Final = 3  # folds: one each for test and validation, and one to train on
_MOST_DRAWS: Final = 20
_CHOICES: Final = (  # options of a data string that only choose a split
    *("test_fold", "valid_fold", "test_session", "protocol", "valid", "test", "split_seed"),
    *("test_speaker", "test_speakers", "valid_speaker", "valid_speakers"),
)


def folds_of(data: str, places: Sequence[Path] = HERE) -> list[tuple[str, str]]:
    """Return the folds that a corpus defines: name, and data string that tests this fold.

    Args:
        data: Data string; its other options are kept.
        places: Folders to search for a relative path, in this order.

    Raises:
        DataError: the corpus defines no folds, the data string already chooses one, or it joins
            several data.
    """
    sources = find_data(data, places)
    if len(sources) > 1:
        raise DataError(
            f"'{data}' joins several data, which have no folds in common. Draw folds from their "
            "recordings, as with --folds 5"
        )
    (source,) = sources.values()
    own, given = READERS[source.reader].folds, source.options
    names = own_folds(data, places)
    if own is None or not names:
        raise DataError(
            f"'{data}' has no folds of its own. Draw folds from its recordings, as with --folds 5"
        )
    for option in (own.option, own.option.replace("test", "valid")):
        if option in given:
            raise DataError(
                f"'{data}' chooses a fold by {option}={given[option]}, and all folds are to be "
                f"tested. Leave {option} out"
            )
    found = []
    for name in names:
        one = f"{data.rstrip('?&')}{'&' if given else '?'}{own.option}={name}"
        expected = source._replace(options={**given, own.option: name})
        if list(find_data(one, places).values()) != [expected]:
            raise DataError(f"the fold '{name}' cannot be written in a data string. Rename it")
        found.append((name, one))
    return found


def own_folds(data: str, places: Sequence[Path] = HERE) -> Sequence[str]:
    """Return the names of the folds that a corpus, or several that are joined, define; or none.

    Raises:
        DataError: the data cannot be read.
    """
    return [
        name
        for reader, path, given in find_data(data, places).values()
        for name in READERS[reader].fold_names(path, given)
    ]


def read_all(data: str, places: Sequence[Path] = HERE) -> Dataset:
    """Read the recordings of a data string to draw folds from all of them.

    Raises:
        DataError: they cannot be read, or an option of the data string chooses a split.
        SplitError: the data have a list of trials.
    """
    chosen = [
        f"{option}={source.options[option]}"
        for source in find_data(data, places).values()
        for option in _CHOICES
        if option in source.options
    ]
    if chosen:
        raise DataError(
            f"folds are drawn from all recordings of '{data}', so {listing(chosen)} has no effect. "
            "Leave it out, or leave fold out"
        )
    dataset = read_data(data, places)
    if dataset.trials:
        raise SplitError(
            f"'{data}' has a list of trials, whose pairs would be in different folds. Leave the "
            "list out, or leave fold out to test on it"
        )
    return dataset


def check_no_own_folds(data: str, places: Sequence[Path] = HERE) -> None:
    """Check that a corpus defines no folds, whose related recordings a draw would separate.

    Raises:
        SplitError: it does.
    """
    found = own_folds(data, places)
    if found and len(find_data(data, places)) > 1:
        raise SplitError(
            f"'{data}' joins data that have folds of their own ({listing(found)}), which keep "
            "recordings of one source together; folds drawn by recording would not. Leave fold out"
        )
    if found:
        raise SplitError(
            f"'{data}' has folds of its own ({listing(found)}), which keep recordings of one "
            "source together; folds drawn by recording would not. Test these, as with --folds all"
        )


def draw_fold(
    dataset: Dataset,
    number: int,
    count: int,
    classes_in: ClassesIn,
    *,
    by_speaker: bool,
    check_labels: Callable[[Dataset], Any] = lambda _: None,
) -> Dataset:
    """Return the dataset split by folds: fold `number` is test, the next one validation.

    The folds are stratified by class, or by the rarest class of a recording that has several.
    Recordings without classes, such as those of transcripts, are distributed by number.

    Args:
        dataset: The recordings; their split is not kept.
        number: Number of the test fold, from 1 to `count`.
        count: Number of folds, at least `FEWEST`.
        classes_in: Returns the classes of a label.
        by_speaker: Whether to keep all recordings of a speaker in one fold, or only all parts of a
            file.
        check_labels: Raises LabelError for a split whose labels cannot be trained and evaluated.
            Of several draws, the first is used in which all folds pass.

    Raises:
        SplitError: there are too few speakers or recordings, or a fold does not pass in any draw.
    """
    utterances = sorted(dataset.utterances, key=lambda one: one.key)
    unit = "speaker" if by_speaker else "recording"
    groups = _numbered([one.speaker if by_speaker else (one.path, one.span) for one in utterances])
    if (most := len(set(groups))) < count:
        fewer = f"Draw at most {most}, or add {unit}s" if most >= FEWEST else f"Add {unit}s"
        raise SplitError(f"{dataset.name} has {most} {unit}s, too few for {count} folds. {fewer}.")
    strata = _strata(utterances, classes_in, count)
    problem = ""
    for fold_of in _draws(strata, groups, count):
        splits = [_split(dataset, utterances, fold_of, one, count) for one in range(1, count + 1)]
        problem = _problem(splits, check_labels)
        if not problem:
            break
    else:
        also = " Each class needs at least two speakers, better three." if by_speaker else ""
        raise SplitError(f"{count} folds by {unit} cannot be drawn. In {problem}{also}")
    kinds = " and class" if strata is not None else ""
    apart = "no speaker in two folds" if by_speaker else "not split by speaker"
    return replace(
        splits[number - 1],
        speaker_independent=by_speaker,
        note=(
            f"Fold {number} of {count} is test and fold {number % count + 1} is validation; folds "
            f"drawn from all recordings by {unit}{kinds}; {apart}."
        ),
    )


def is_by_speaker(dataset: Dataset, *, closed_set: bool, places: Sequence[Path] = HERE) -> bool:
    """Return whether folds should keep the recordings of a speaker together.

    They should if all speakers are known, unless the data string says `speaker_independent=no`, or
    the speakers are the classes.

    Args:
        dataset: The recordings.
        closed_set: Whether labels that are evaluated must be known from training.
        places: Folders to search for a relative path, in this order.

    Raises:
        SplitError: only some recordings name their speaker.
    """
    sources = find_data(dataset.name, places).values()
    if any(source.options.get("speaker_independent") == "no" for source in sources):
        return False
    utterances = dataset.utterances
    unknown = [one.key for one in utterances if one.speaker is None]
    if 0 < len(unknown) < len(utterances):
        raise SplitError(
            f"{dataset.name}: {len(unknown)} of {len(utterances)} recordings have no speaker "
            f"({listing(unknown, 3)}). Add all speakers, or use speaker_independent=no."
        )
    return not unknown and not (closed_set and _labels_are_speakers(utterances))


def _labels_are_speakers(utterances: Sequence[Utterance]) -> bool:
    """Return whether each speaker has a label of their own."""
    pairs = {(one.label, one.speaker) for one in utterances}
    return len(pairs) == len({label for label, _ in pairs}) == len({one for _, one in pairs})


def _numbered(names: Sequence[object]) -> list[int]:
    """Return a number for each name, in the order of their first occurrence."""
    numbers: dict[object, int] = {}
    return [numbers.setdefault(name, len(numbers)) for name in names]


def _strata(utterances: Sequence[Utterance], classes_in: ClassesIn, count: int) -> list[str] | None:
    """Return the stratum of each recording; None without strata that occur in every fold."""
    names = [classes_in(one.label) for one in utterances]
    totals = Counter(name for some in names for name in some)
    strata = [min(some, key=lambda name: (totals[name], name), default="") for some in names]
    most = max(Counter(strata).values())
    return strata if totals and most >= count and len(set(strata)) > 1 else None


def _draws(
    strata: Sequence[str] | None, groups: Sequence[int], count: int
) -> Iterator[Int[np.ndarray, " N"]]:
    """Yield draws of the fold of each recording, from 1; they differ in groups of equal content."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, StratifiedKFold

    rows = np.zeros(len(groups))
    if strata is None:
        yield _folds(GroupKFold(count).split(rows, groups=groups), len(groups))
        return
    for seed in range(_MOST_DRAWS):
        how: dict[str, Any] = {"shuffle": True, "random_state": seed}
        if len(set(groups)) == len(groups):  # as below, and fast for many recordings
            yield _folds(StratifiedKFold(count, **how).split(rows, strata), len(groups))
        else:
            parts = StratifiedGroupKFold(count, **how).split(rows, strata, groups)
            yield _folds(parts, len(groups))


def _folds(parts: Iterable[tuple[Any, Any]], num_rows: int) -> Int[np.ndarray, " N"]:
    """Return the fold of each recording from the splits of scikit-learn."""
    folds = np.zeros(num_rows, np.intp)
    with warnings.catch_warnings():  # of classes with fewer recordings than folds
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for number, (_, test) in enumerate(parts, start=1):
            folds[test] = number
    return folds


def _split(
    dataset: Dataset,
    utterances: Sequence[Utterance],
    fold_of: Int[np.ndarray, " N"],
    number: int,
    count: int,
) -> Dataset:
    """Return the dataset with one fold for test and the next for validation."""
    sides: dict[int, list[Utterance]] = {number: [], number % count + 1: [], 0: []}
    for row, one in enumerate(utterances):
        sides.get(int(fold_of[row]), sides[0]).append(one)
    test, valid, train = (tuple(part) for part in sides.values())
    notices = tuple(one for one in dataset.notices if NO_VALIDATION not in one)
    return replace(
        dataset,
        train=train,
        valid=valid,
        test=test,
        given=False,
        validates_on_test=False,
        notices=notices,
    )


def _problem(splits: Sequence[Dataset], check_labels: Callable[[Dataset], Any]) -> str:
    """Return the fold that cannot be used, and why; empty if all can."""
    for number, split in enumerate(splits, start=1):
        if not split.test:
            return f"fold {number} are no recordings."
        try:
            check_labels(split)
        except LabelError as error:
            return f"fold {number}: {error}"
    return ""
