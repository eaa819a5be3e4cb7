"""Data that may come without a split: keep what is given, draw what is not."""

from collections.abc import Sequence
from dataclasses import replace

from ossicle.data.columns import SIDES
from ossicle.data.corpora.base import Option, Options, choose
from ossicle.data.dataset import Dataset
from ossicle.data.manifest import Manifest
from ossicle.data.roles import LABEL
from ossicle.data.split import draw
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, SplitError, listing
from ossicle.settings import Limits, read_value

_FRACTION = 0.15
_SHARES = Limits(0, 1, above=True, below=True)
_SEEDS = Limits(0, 2**63 - 1)

PATH_OPTION = {"path": Option("the column of the path (path, file_name, audio_filepath, wav, ...)")}

TABLE_OPTIONS = {
    "label": Option(
        "the column that holds what to predict, or several by comma (where there are columns; "
        "without it also one that is known to hold a label, such as transcript or tags)",
        LABEL,
    ),
    "text": Option("the column of a transcript to predict, instead of label"),
    "speaker": Option("the column of the speaker, or no (speaker, speaker_id, client_id, ...)"),
    "split": Option("the column of the side, or no (split, set, subset, partition)"),
    "fold": Option("the column of the fold, or no (fold)"),
    "test_fold": Option("the fold that is tested, where the split is by folds"),
    "valid_fold": Option("the fold to choose by (the one before test_fold)"),
    "start": Option("the column of the start of a part, or no (start_s, start, offset, ...)"),
    "stop": Option("the column of its end, or no (end, end_s, stop, ...)"),
    "duration": Option("the column of its length, or no (duration_s, or duration beside a start)"),
    "unit": Option("of these times: seconds, milliseconds or samples", "seconds"),
    "separator": Option("what separates tags: | or ; or a comma (the one that is there)"),
}

DRAW_OPTIONS = TABLE_OPTIONS | {
    "speaker_independent": Option(
        "yes or no: keep each speaker on one side (yes where speakers are known)"
    ),
    "valid": Option(f"the share to draw for validation where none is given ({_FRACTION})"),
    "test": Option(f"the share to draw for test where none is given ({_FRACTION})"),
    "split_seed": Option("of the draw", "0"),
    "draw": Option("yes or no: no draws nothing, and what no side is given for is test", "yes"),
}


def complete(name: str, manifest: Manifest, options: Options) -> Dataset:
    """Return a dataset from a manifest, drawing the sides that it does not give.

    Args:
        name: Of the dataset.
        manifest: With the side of every utterance or of none.
        options: `DRAW_OPTIONS`.

    Raises:
        SplitError: a side cannot be drawn, training is not given though others are, or a share is
            given for a side that is there.
    """
    if choose("draw", options["draw"] or "", ("yes", "no")) == "no":
        return _undrawn(name, by_fold(name, manifest, options, needed=False))
    manifest = by_fold(name, manifest, options)
    independent = _independent(manifest.utterances, options["speaker_independent"])
    by_side: dict[str, list[Utterance]] = {side: [] for side in SIDES}
    for utterance in manifest.utterances:
        by_side[manifest.split.get(utterance.key, "train")].append(utterance)
    given = [side for side, part in by_side.items() if part and manifest.split]
    if given and "train" not in given:
        raise SplitError(f"{name} gives {listing(given)} and no train. Mark what to learn from.")
    for side in given:
        if options.get(side) is not None:
            raise SplitError(
                f"{name} gives its own {side} part, so {side}={options[side]} would draw nothing. "
                "Leave that option out."
            )
    drawn = [side for side in ("valid", "test") if side not in given]
    seed = _seed(options["split_seed"])
    if drawn:
        valid, test = (_share(side, options[side]) if side in drawn else 0.0 for side in SIDES[1:])
        parts = draw(by_side["train"], fractions=(valid, test), by_speaker=independent, seed=seed)
        by_side["train"] = []
        for side, part in zip(SIDES, parts, strict=True):
            by_side[side] += part
    notes = [
        f"{' and '.join(given)} {manifest.split_by or 'as given'}" if given else "",
        f"{' and '.join(drawn)} drawn by label with seed {seed}" if drawn else "",
        "no speaker on two sides" if independent else "speakers not kept apart",
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
        notices=manifest.notices,
    )


def by_fold(name: str, manifest: Manifest, options: Options, *, needed: bool = True) -> Manifest:
    """Return a manifest whose folds are sides, if it has folds and no split.

    Args:
        name: Of the dataset.
        manifest: With or without folds.
        options: `TABLE_OPTIONS`.
        needed: Whether folds that no one has chosen from are refused.

    Raises:
        DataError: a fold is named that is not there, or one is needed.
    """
    test, valid = options["test_fold"], options["valid_fold"]
    if manifest.split or not manifest.folds:
        if given := [option for option in ("test_fold", "valid_fold") if options[option]]:
            why = "has a split of its own" if manifest.split else "has no column of folds"
            also = " and split=no" if manifest.split else ""
            raise DataError(
                f"{name} {why}, so {given[0]}={options[given[0]]} would choose nothing. Leave it "
                f"out, or name the column with fold=COLUMN{also}."
            )
        return manifest
    folds = sorted(set(manifest.folds.values()), key=lambda fold: (len(fold), fold))
    if test is None:
        if not needed and valid is None:
            return manifest
        raise DataError(
            f"{name} has the folds {listing(folds)} and no split. Say which is tested, as in "
            f"test_fold={folds[-1]}, or fold=no to draw a split across the folds."
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
    told = " and ".join(f"{fold} is {side}" for fold, side in sides.items())
    return replace(manifest, split=split, split_by=f"by folds ({told})")


def _undrawn(name: str, manifest: Manifest) -> Dataset:
    """Return the sides that are given, and everything else as test."""
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
        note="Nothing drawn.",
        label_name=manifest.label_name,
        notices=manifest.notices,
    )


def _independent(utterances: Sequence[Utterance], option: str | None) -> bool:
    if option is not None:
        return choose("speaker_independent", option, ("yes", "no")) == "yes"
    named = sum(utterance.speaker is not None for utterance in utterances)
    if 0 < named < len(utterances):
        raise SplitError(
            f"{len(utterances) - named} of {len(utterances)} utterances name no speaker. Name them "
            "all, or say speaker_independent=no."
        )
    return named > 0


def _share(side: str, option: str | None) -> float:
    if option is None:
        return _FRACTION
    share: float = read_value(side, option, (float,), _SHARES, DataError)
    return share


def _seed(option: str | None) -> int:
    seed: int = read_value("split_seed", option or "", (int,), _SEEDS, DataError)
    return seed
