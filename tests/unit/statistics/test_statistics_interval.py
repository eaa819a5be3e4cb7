import numpy as np
import pytest
from scipy import stats

from ossicle.metrics import metrics_by_rows
from ossicle.statistics.interval import bootstrap_intervals


def mean_of(values):
    values = np.asarray(values, dtype=float)
    return lambda rows: {"mean": float(values[rows].mean())}


def test_the_interval_of_an_accuracy_is_that_of_a_binomial():
    correct = np.arange(400) < 280  # 0.7
    found = bootstrap_intervals(mean_of(correct), 400, resamples=4000)
    # Drawing 400 rows from 280 right and 120 wrong ones is drawing from Binomial(400, 0.7).
    exact = stats.binom(400, 0.7).ppf([0.025, 0.975]) / 400
    assert found.bounds["mean"] == pytest.approx(exact, abs=0.006)
    half_width = 1.96 * np.sqrt(0.7 * 0.3 / 400)
    assert found.bounds["mean"] == pytest.approx((0.7 - half_width, 0.7 + half_width), abs=0.006)
    assert (found.unit, found.num_units) == ("recording", 400)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        correct = generator.random(200) < 0.7
        found = bootstrap_intervals(mean_of(correct), 200, confidence=0.9, resamples=200)
        low, high = found.bounds["mean"]
        hits += low <= 0.7 <= high
    assert 0.83 < hits / 200 < 0.96  # 0.9, within three standard deviations


def test_the_interval_of_a_mean_agrees_with_scipy():
    values = np.random.default_rng(3).gamma(2.0, size=80)
    found = bootstrap_intervals(mean_of(values), 80, confidence=0.8, resamples=5000)
    independent = stats.bootstrap(
        (values,), np.mean, confidence_level=0.8, n_resamples=5000, method="percentile", rng=1
    ).confidence_interval
    assert found.bounds["mean"] == pytest.approx(tuple(independent), abs=0.02)


def test_a_drawn_speaker_brings_all_of_its_rows_each_time_it_is_drawn():
    groups = ["a", "b", "a", "c", "b", "a"]
    seen = []

    def metrics_of(rows):
        seen.append(sorted(rows.tolist()))
        return {"count": float(len(rows))}

    found = bootstrap_intervals(metrics_of, 6, groups, resamples=50)
    rows_of = {"a": [0, 2, 5], "b": [1, 4], "c": [3]}
    possible = [
        sorted(rows_of[x] + rows_of[y] + rows_of[z]) for x in "abc" for y in "abc" for z in "abc"
    ]
    assert all(rows in possible for rows in seen)
    assert (found.unit, found.num_units, found.resamples) == ("speaker", 3, 50)


def test_speakers_that_differ_widen_the_interval():
    correct = np.repeat([1, 1, 1, 0, 0, 1, 1, 0, 1, 1], 20)
    groups = np.repeat([f"speaker {number}" for number in range(10)], 20).tolist()
    low, high = bootstrap_intervals(mean_of(correct), 200).bounds["mean"]
    wide_low, wide_high = bootstrap_intervals(mean_of(correct), 200, groups).bounds["mean"]
    # Ten units instead of two hundred: wider by the root of twenty.
    assert (wide_high - wide_low) / (high - low) == pytest.approx(np.sqrt(20), rel=0.15)


def test_two_speakers_span_from_the_worse_to_the_better():
    correct = [1, 1, 1, 0, 1, 0, 0, 0]
    found = bootstrap_intervals(mean_of(correct), 8, ["a"] * 4 + ["b"] * 4)
    assert found.bounds["mean"] == (0.25, 0.75)
    assert (found.unit, found.num_units) == ("speaker", 2)


def test_with_one_speaker_recordings_are_drawn_and_it_says_so():
    correct = np.arange(50) < 30
    found = bootstrap_intervals(mean_of(correct), 50, ["only"] * 50)
    assert found == bootstrap_intervals(mean_of(correct), 50)
    assert (found.unit, found.num_units) == ("recording", 50)


def test_a_constant_metric_has_an_interval_of_zero_width():
    assert bootstrap_intervals(mean_of(np.ones(5)), 5).bounds["mean"] == (1.0, 1.0)


def test_one_seed_gives_one_interval_and_two_seeds_differ():
    values = np.random.default_rng(0).random(30)
    again = [bootstrap_intervals(mean_of(values), 30, seed=seed) for seed in (7, 7, 8)]
    assert again[0] == again[1]
    assert again[0] != again[2]


def test_the_intervals_of_chance_predictions_hold_chance():
    generator = np.random.default_rng(0)
    labels = list("abcdef")
    target, predicted = generator.choice(labels, (2, 500)).tolist()
    groups = generator.choice([f"speaker {number}" for number in range(25)], 500).tolist()
    found = bootstrap_intervals(metrics_by_rows(target, predicted, labels), 500, groups)
    assert list(found.bounds) == ["accuracy", "macro_f1", "uar"]
    assert all(0 < low < 1 / 6 < high < 0.3 for low, high in found.bounds.values())


@pytest.mark.parametrize(
    ("num_rows", "groups", "settings", "message"),
    [
        (0, None, {}, "0 rows"),
        (3, None, {"resamples": 0}, "0 resamples"),
        (3, None, {"confidence": 95}, "confidence is 95"),
        (3, ["a", "b"], {}, "2 groups for 3 rows"),
    ],
)
def test_what_cannot_be_drawn_is_refused(num_rows, groups, settings, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_intervals(mean_of([0, 1, 1]), num_rows, groups, **settings)


@pytest.mark.parametrize(
    ("speakers", "note"),
    [
        (2, "2 speakers are few: intervals over fewer than 10 speakers tend to be too narrow"),
        (9, "9 speakers are few"),
        (10, None),
        (1, "All recordings are by one speaker: the intervals do not cover other speakers"),
        (0, None),
    ],
)
def test_intervals_over_few_speakers_say_so(speakers, note):
    groups = [f"{n % speakers}" for n in range(20)] if speakers else None
    found = bootstrap_intervals(mean_of([0, 1] * 10), 20, groups, resamples=9).note(groups)
    assert found == note if note is None else found.startswith(note)
