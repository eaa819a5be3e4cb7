"""Sizes by class, and notices on classes that are absent or too small."""

from pathlib import Path

from ossicle.data import Dataset, Utterance
from ossicle.data.sizes import describe_sizes, size_notices
from ossicle.tasks import (
    Classification,
    Events,
    Intent,
    Regression,
    SpeechRecognition,
    Tagging,
    Task,
)


def part(side, counts, speaker=None):
    return tuple(
        Utterance.of(
            Path(f"{side}-{label}-{n}.wav"), Path(), label, speaker and f"{speaker}{n % 2}"
        )
        for label, count in counts.items()
        for n in range(count)
    )


def dataset(train, valid, test, **about):
    return Dataset(
        "mine", train, valid, test, given=True, note="",
        **{"speaker_independent": False, **about},
    )  # fmt: skip


def whole(label):
    return [label]


FULL = {"dog": 6, "cat": 5}


def test_sides_of_enough_recordings_of_each_class_need_no_notice():
    assert not list(size_notices(dataset(*(part(side, FULL) for side in "abc")), whole))


def test_absent_and_tiny_classes_are_named_by_split():
    test = part("c", {"cat": 3, "dog": 4, "owl": 5})
    data = dataset(part("a", FULL | {"owl": 9}), part("b", {"dog": 7}), test)
    assert list(size_notices(data, whole)) == [
        "valid has no recordings of 2 of 3 classes (cat, owl), so it does not test them.",
        "test has fewer than 5 recordings of 2 of 3 classes (cat 3, dog 4): metrics of these "
        "classes are unreliable.",
    ]


def test_a_class_of_too_few_speakers_says_so():
    train = (*part("a", FULL, "ann"), Utterance.of(Path("o.wav"), Path(), "owl", "ann0"))
    data = dataset(train, part("b", FULL, "ben"), part("c", FULL, "cid"), speaker_independent=True)
    valid, test = size_notices(data, whole)
    assert valid.startswith("valid has no recordings of 1 of 3 classes (owl)")
    assert test.endswith("There are too few speakers for three splits: owl has 1.")


def test_tags_are_classes_of_their_own():
    data = dataset(part("a", {"dog|rain": 5}), part("b", {"dog|rain": 5}), part("c", {"dog": 5}))
    assert [notice[:50] for notice in size_notices(data, lambda label: label.split("|"))] == [
        "test has no recordings of 1 of 2 classes (rain), s"
    ]


def test_labels_without_classes_need_a_few_recordings():
    data = dataset(part("a", FULL), part("b", {"x": 5}), part("c", {"y": 2}))
    assert list(size_notices(data, Task.classes_in)) == [
        "test has only 2 recordings, so its metrics are unreliable."
    ]
    assert describe_sizes(data, Task.classes_in)[0] == "train: 11 recordings"


def test_tasks_say_which_classes_a_label_names():
    assert [*Classification.classes_in("dog|rain")] == ["dog|rain"]
    assert [*Tagging.classes_in("dog | rain|dog")] == ["dog", "rain"]
    assert [*Intent.classes_in("action=on,object=lamp")] == ["action=on,object=lamp"]
    assert not any(task.classes_in("dog") for task in (Regression, SpeechRecognition, Events))


def test_a_test_split_that_is_also_validation_is_reported_once():
    small = part("c", {"dog": 5, "cat": 4})
    assert (
        len(
            list(
                size_notices(dataset(part("a", FULL), small, small, validates_on_test=True), whole)
            )
        )
        == 1
    )


def test_sizes_are_listed_by_class_or_as_a_range_if_there_are_many():
    many = part("b", {f"word {n}": 1000 + n for n in range(13)})
    lines = describe_sizes(
        dataset(part("a", FULL, "ann"), many, part("c", {"dog": 1}, "ben")), whole
    )
    assert lines == [
        "train: 11 recordings, 2 speakers (cat 5, dog 6)",
        "valid: 13,078 recordings, 13 classes of 1,000 to 1,012",
        "test: 1 recording, 1 speaker (dog 1)",
    ]
