"""Cohorts of an ensemble for verification."""

import numpy as np
import pytest
import torch

from ossicle.tasks import Verification
from ossicle.tasks.cohorts import combined_cohort

SAME = {"a": "recordings", "b": "recordings"}


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_scores_against_the_cohort_are_the_mean_of_those_of_the_members() -> None:
    rng = np.random.default_rng(0)
    cohorts = {"a": rng.normal(size=(6, 3)), "b": 50 * rng.normal(size=(6, 2))}
    recordings = [[rng.normal(size=3), rng.normal(size=2)] for _ in range(4)]
    cohort, notice = combined_cohort(cohorts, SAME)
    assert notice is None
    assert cohort is not None
    task = Verification(["anna", "ben"]).with_cohort(cohort)
    outputs = [
        [torch.tensor(np.append(one, np.zeros(4))) for one in members] for members in recordings
    ]
    decoded = [task.decode(task.combine_members(members)) for members in outputs]
    # s-norm by hand, from the means of the members' cosines.
    to_cohort = np.array(
        [
            [
                np.mean([cosine(one[m], cohorts[name][k]) for m, name in enumerate(cohorts)])
                for k in range(6)
            ]
            for one in recordings
        ]
    )
    means, deviations = to_cohort.mean(axis=1), to_cohort.std(axis=1, ddof=1)
    score = np.mean([cosine(recordings[0][m], recordings[1][m]) for m in range(2)])
    wanted = sum((score - means[row]) / deviations[row] for row in (0, 1)) / 2
    first, second = np.array([0]), np.array([1])
    found = task._scores(decoded, first, second)
    assert found["s_norm"] == pytest.approx(wanted)
    assert task.metrics(["anna", "anna", "ben", "ben"], decoded)["s_norm"]["eer"] >= 0


@pytest.mark.parametrize(
    ("cohorts", "recordings", "notice"),
    [
        ({"a": np.ones((3, 2)), "b": None}, SAME, "member 'b' has no cohort"),
        ({"a": np.ones((3, 2)), "b": np.ones((4, 2))}, SAME, "'a' and 'b' are not of the same"),
        (
            {"a": np.ones((3, 2)), "b": np.ones((3, 2))},
            {"a": ("split", 0), "b": ("split", 1)},
            "'a' and 'b' are not of the same",
        ),
    ],
)
def test_cohorts_that_do_not_match_give_none_and_a_notice(cohorts, recordings, notice) -> None:
    cohort, said = combined_cohort(cohorts, recordings)
    assert cohort is None
    assert said is not None
    assert notice in said
    assert said.startswith("Scores are not normalised")
