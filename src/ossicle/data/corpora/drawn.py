"""Complete the split of data that may come without one: keep given splits, draw the others."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ossicle.data.columns import SIDES
from ossicle.data.corpora.folds import Folds, sorted_folds
from ossicle.data.corpora.option import Option, Options, choose
from ossicle.data.dataset import Dataset
from ossicle.data.manifest import Manifest
from ossicle.data.roles import LABEL
from ossicle.data.split import draw
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, SplitError, listing
from ossicle.settings import Limits, read_value

_FRACTION = 0.15
_FRACTIONS = Limits(0, 1, above=True, below=True)
_SEEDS = Limits(0, 2**63 - 1)

PATH_OPTION = {"path": Option("column of paths (path, file_name, audio_filepath, wav, ...)")}

TABLE_OPTIONS = {
    "label": Option(
        "column to predict, or several separated by commas (if there is no column label, also "
        "the columns typical of a task, such as transcript or tags)",
        LABEL,
    ),
    "text": Option("column of transcripts to predict, instead of label"),
    "speaker": Option("column of speakers, or no (speaker, speaker_id, client_id, ...)"),
    "prompt": Option("column of prompts, for tasks that write text, or no (prompt, question)"),
    "split": Option("column of splits, or no (split, set, subset, partition)"),
    "fold": Option("column of folds, or no (fold)"),
    "test_fold": Option("test fold, if the split is by folds"),
    "valid_fold": Option("validation fold (the one before test_fold)"),
    "start": Option("column of the start of a part, or no (start_s, start, offset, ...)"),
    "stop": Option("column of the end of a part, or no (end, end_s, stop, ...)"),
    "duration": Option(
        "column of the length of a part, or no (duration_s, or duration if there is a start)"
    ),
    "unit": Option("unit of these times: seconds, milliseconds or samples", "seconds"),
    "separator": Option("separator of tags: | or ; or a comma (the one that occurs)"),
}

DRAW_OPTIONS = TABLE_OPTIONS | {
    "speaker_independent": Option(
        "yes or no: keep each speaker in a single split (yes if speakers are known)"
    ),
    "valid": Option(f"fraction to draw for validation, if not given by the data ({_FRACTION})"),
    "test": Option(f"fraction to draw for test, if not given by the data ({_FRACTION})"),
    "split_seed": Option("seed of the random split", "0"),
    "draw": Option("yes or no: with no, recordings without a split are test", "yes"),
}


def complete(name: str, manifest: Manifest, options: Options) -> Dataset:
    """Return the dataset of a manifest, drawing the splits that it does not give.

    Args:
        name: Name of the dataset.
        manifest: Manifest with a split for every utterance or for none.
        options: Values of `DRAW_OPTIONS`.

    Raises:
        SplitError: a split cannot be drawn, train is not given although others are, or a fraction
            is given for a split that exists.
    """
    if choose("draw", options["draw"] or "", ("yes", "no")) == "no":
        return _undrawn(name, by_fold(name, manifest, options, needed=False))
    manifest = by_fold(name, manifest, options)
    independent = _independent(manifest.utterances, options["speaker_independent"])
    by_side: dict[str, list[Utterance]] = {side: [] for side in SIDES}
    for utterance in manifest.utterances:
        by_side[manifest.split.get(utterance.key, "train")].append(utterance)
    sides = set(manifest.split.values())  # also of recordings that `where` leaves out
    given: list[str] = [one for one in SIDES if one in sides]
    if given and "train" not in given:
        raise SplitError(
            f"{name} has {listing(given)} recordings but no train recordings. Mark some as train."
        )
    for side in given:
        if options.get(side) is not None:
            raise SplitError(
                f"{name} already has a {side} split, so {side}={options[side]} has no effect. "
                "Leave the option out."
            )
    drawn = [side for side in ("valid", "test") if side not in given]
    seed = _seed(options["split_seed"])
    if drawn:
        valid, test = (
            _fraction(side, options[side]) if side in drawn else 0.0 for side in SIDES[1:]
        )
        parts = draw(by_side["train"], fractions=(valid, test), by_speaker=independent, seed=seed)
        by_side["train"] = []
        for side, part in zip(SIDES, parts, strict=True):
            by_side[side] += part
    notes = [
        f"{' and '.join(given)} {manifest.split_by or 'as given'}" if given else "",
        f"{' and '.join(drawn)} drawn by label with seed {seed}" if drawn else "",
        "no speaker in two splits" if independent else "not split by speaker",
    ]
    note = "; ".join(filter(None, notes))
    train, valid_part, test_part = (tuple(part) for part in by_side.values())
    return Dataset(
        name,
        train,
        valid_part,
        test_part,
        speaker_independent=independent,
        given="test" in given,
        note=f"{note[0].upper()}{note[1:]}.",
        label_name=manifest.label_name,
        trials=manifest.trials,
        notices=manifest.notices,
    )


def by_fold(name: str, manifest: Manifest, options: Options, *, needed: bool = True) -> Manifest:
    """Return a manifest split by its folds, if it has folds and no split.

    Args:
        name: Name of the dataset.
        manifest: Manifest with or without folds.
        options: Values of `TABLE_OPTIONS`.
        needed: Whether a manifest with folds requires the option `test_fold`.

    Raises:
        DataError: a fold does not exist, or `test_fold` is required.
    """
    test, valid = options["test_fold"], options["valid_fold"]
    if manifest.split or not manifest.folds:
        if given := [option for option in ("test_fold", "valid_fold") if options[option]]:
            why = "already has a split" if manifest.split else "has no column of folds"
            also = " and split=no" if manifest.split else ""
            raise DataError(
                f"{name} {why}, so {given[0]}={options[given[0]]} has no effect. Leave it out, or "
                f"name the column of folds with fold=COLUMN{also}."
            )
        return manifest
    folds = sorted_folds(manifest.folds.values())
    if test is None:
        if not needed and valid is None:
            return manifest
        raise DataError(
            f"{name} has the folds {listing(folds)} and no split. Choose the test fold, as in "
            f"test_fold={folds[-1]}, or use fold=no to draw a split across the folds."
        )
    choose("test_fold", test, folds)
    if valid is None and len(folds) > 2:
        valid = folds[folds.index(test) - 1]
    if valid == test:
        raise DataError(f"{name}: valid_fold and test_fold are both {test}. Choose two folds.")
    sides = {test: "test"}
    if valid is not None:
        sides[choose("valid_fold", valid, folds)] = "valid"
    split = {key: sides.get(fold, "train") for key, fold in manifest.folds.items()}
    folds_used = " and ".join(f"{fold} is {side}" for fold, side in sides.items())
    return replace(manifest, split=split, split_by=f"by folds ({folds_used})")


def folds_by_column(contents: Callable[[Path, Options], Manifest]) -> Folds:
    """Return the folds of tables that have a column of them and no split.

    Args:
        contents: Reads the data at a path.
    """

    def names(path: Path, options: Options) -> list[str]:
        manifest = contents(path, options)
        return [] if manifest.split else sorted_folds(manifest.folds.values())

    return Folds("test_fold", names)


def _undrawn(name: str, manifest: Manifest) -> Dataset:
    """Return the given splits, with all other recordings as test."""
    sides: dict[str, list[Utterance]] = {side: [] for side in SIDES}
    for utterance in manifest.utterances:
        sides[manifest.split.get(utterance.key, "test")].append(utterance)
    train, valid, test = (tuple(part) for part in sides.values())
    return Dataset(
        name,
        train,
        valid,
        test,
        speaker_independent=False,
        given=True,
        note="No random split.",
        label_name=manifest.label_name,
        trials=manifest.trials,
        notices=manifest.notices,
    )


def _independent(utterances: Sequence[Utterance], option: str | None) -> bool:
    if option is not None:
        return choose("speaker_independent", option, ("yes", "no")) == "yes"
    named = sum(utterance.speaker is not None for utterance in utterances)
    if 0 < named < len(utterances):
        raise SplitError(
            f"{len(utterances) - named} of {len(utterances)} utterances have no speaker. Add all "
            "speakers, or use speaker_independent=no."
        )
    return named > 0


def _fraction(side: str, option: str | None) -> float:
    if option is None:
        return _FRACTION
    fraction: float = read_value(side, option, (float,), _FRACTIONS, DataError)
    return fraction


def _seed(option: str | None) -> int:
    seed: int = read_value("split_seed", option or "", (int,), _SEEDS, DataError)
    return seed
