"""Undefined metrics and intervals: null with a reason, in JSON and on the terminal."""

import json

import numpy as np
import pytest

from ossicle.cli.options import print_metrics
from ossicle.data import Utterance
from ossicle.inference.assessment import Assessment
from ossicle.metrics.metric import Metric
from ossicle.statistics.interval import bootstrap_intervals
from ossicle.strict_json import dumps
from ossicle.tasks import Verification
from ossicle.training.intervals import with_intervals


def judged(num_speakers: int, takes: int = 4):
    """Assess a verification of speakers whose embeddings are near one another, with intervals."""
    chance = np.random.default_rng(num_speakers)
    task, utterances, decoded = Verification(["x", "y"]), [], []
    for speaker in range(num_speakers):
        centre = chance.normal(size=8)
        for take in range(takes):
            key = f"{speaker}-{take}"
            utterances.append(Utterance(key, None, f"speaker {speaker}", f"speaker {speaker}"))
            embedding = (centre + chance.normal(size=8)).tolist()
            decoded.append({"key": key, "label": "-", "embedding": embedding})
    labels = [one.label for one in utterances]
    found = Assessment(decoded, None, task.metrics(labels, decoded))
    return with_intervals(task, utterances, found)


def strict(text: str):
    """Read JSON strictly, without NaN."""

    def refused(word):
        raise ValueError(word)

    return json.loads(text, parse_constant=refused)


# Of n speakers drawn n times, all are the same one in n of n^n draws, which then hold no pair of
# two speakers: 1/2, 1/9, 1/64, 1/625. The tails are 1/40 each.
@pytest.mark.parametrize(("speakers", "share"), [(2, 1 / 2), (3, 1 / 9)])
def test_an_interval_that_does_not_exist_is_null_with_the_share_of_such_draws(
    speakers, share, capsys
):
    found = strict(dumps(judged(speakers)))
    assert "undefined" not in found
    assert found["intervals"] == {"eer": None, "min_dcf_01": None, "min_dcf_05": None}
    said, _, rest = found["interval_missing"].partition(" % of the draws of ")
    assert float(said) == pytest.approx(100 * share, abs=300 * np.sqrt(share * (1 - share) / 1000))
    assert rest == f"{speakers} speakers have no such score"
    print_metrics(found)
    shown = capsys.readouterr().out
    assert shown.count("interval not available: ") == 3
    assert f"EER{100 * found['eer']:15.1f} %   interval not available: {said} % of" in shown


@pytest.mark.parametrize("speakers", [4, 5, 12])
def test_an_interval_exists_where_few_draws_are_undefined(speakers, capsys):
    found = strict(dumps(judged(speakers)))
    assert found["interval_missing"] is None
    for name, (low, high) in found["intervals"].items():
        assert 0 <= low <= found[name] <= high <= 1
    print_metrics(found)
    assert "not available" not in capsys.readouterr().out


def test_undefined_draws_count_as_lowest_and_as_highest():
    values = np.arange(1000.0)
    values[::200] = np.nan  # 5 of 1000, from 0 to 800

    def found(given, resamples=1000):
        rows = iter(given)
        return bootstrap_intervals(
            lambda _: {"score": float(next(rows))}, 1000, resamples=resamples
        )

    # 0-based ranks 0.025 * 999 = 24.975 and 974.025: rank 24 of (5 lowest, then 1, 2, ..., without
    # 200, 400, ...) is 20, and rank 975 of (1, 2, ..., 5 highest): 4 of those below are missing.
    assert found(values).bounds["score"] == (20.0, 980.0)
    assert found(values).undefined == 0.005
    assert found(values).missing is None
    values[:25] = np.nan  # 29 in all, more than the tail
    assert found(values).bounds["score"] is None
    assert found(values).missing == "2.9 % of the draws of 1000 recordings have no such score"


def test_a_cohort_whose_scores_are_all_alike_gives_no_normalised_scores(capsys):
    for cohort in (np.ones((1, 8)), np.ones((3, 8))):
        task = Verification(["x", "y"]).with_cohort(cohort)
        decoded = [{"embedding": row, "key": str(i)} for i, row in enumerate(np.eye(8)[:4])]
        decoded[3]["embedding"] = np.zeros(8)  # no direction: a cosine of 0 with all
        metrics = strict(dumps(task.metrics(["a", "a", "b", "b"], decoded)))
        assert (metrics["s_norm"], metrics["as_norm"]) == (None, None)
        assert metrics["norm_missing"] == "the scores of the cohort are all alike"
        missing = dict.fromkeys(Verification.reported)
        about = {"interval_unit": "speaker", "interval_units": 2, "interval_missing": "so"}
        print_metrics({**metrics, **about, "task": "verification", "intervals": missing})
        assert "after AS-norm: not available: the scores of the coh" in capsys.readouterr().out


def test_a_score_that_does_not_exist_is_shown_as_such(capsys):
    assert Metric("EER").spread(None, None) == "not available"
    metrics = {"task": "classification", "count": 1, "interval_unit": "recording"}
    none = dict.fromkeys(("macro_f1", "accuracy", "uar"))
    print_metrics({**metrics, **none, "intervals": none, "interval_units": 1})
    assert "accuracy not available" in capsys.readouterr().out
