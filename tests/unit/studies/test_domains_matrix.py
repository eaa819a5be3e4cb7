"""The matrix of continual learning, with values worked out by hand."""

import numpy as np
import pytest
from adaptation import model, untrained

from ossicle.reports.parts import Figure, Table
from ossicle.studies.adaptation.matrix import Matrix, chains, matrix_parts
from ossicle.studies.adaptation.models import Pool, pools
from ossicle.trials.outcome import Outcome

#                after a         after b         after c
AFTER = np.array([[0.9, 0.3, 0.2], [0.95, 0.8, 0.4], [0.5, 0.6, 0.7]])
UNTRAINED = np.array([0.1, 0.1, 0.2])


def test_the_metrics_are_those_of_the_publications() -> None:
    found = Matrix(AFTER, UNTRAINED).metrics()
    assert found["average"] == pytest.approx((0.5 + 0.6 + 0.7) / 3)
    assert found["BWT"] == pytest.approx(((0.5 - 0.9) + (0.6 - 0.8)) / 2)
    assert found["FWT"] == pytest.approx(((0.3 - 0.1) + (0.4 - 0.2)) / 2)
    assert found["forgetting"] == pytest.approx(((0.95 - 0.5) + (0.8 - 0.6)) / 2)  # 0.95, not 0.9


def test_of_errors_less_is_better() -> None:
    found = Matrix(1 - AFTER, 1 - UNTRAINED).metrics(higher_is_better=False)
    same = Matrix(AFTER, UNTRAINED).metrics()
    assert found.pop("average") == pytest.approx(1 - same.pop("average"))
    assert found == {name: pytest.approx(value) for name, value in same.items()}


def test_an_unknown_start_leaves_forward_transfer_open_and_nothing_else() -> None:
    found = Matrix(AFTER, np.full(3, np.nan)).metrics()
    assert np.isnan(found["FWT"])
    assert found["BWT"] == pytest.approx(-0.3)


NAMES = ("a", "b", "c")


def learnt(on: str, way: str, *right: int, seed: int = 0) -> Outcome:
    facts = untrained({"a": 2, "b": 2, "c": 4}) if way == "alone" else None
    return model(on, way, dict(zip(NAMES, right, strict=True)), seed=seed, facts=facts)


@pytest.fixture
def outcomes() -> list[Outcome]:
    """One order, in two ways with two seeds; the third stage of one is missing."""
    found = []
    for seed in range(2):
        found += [
            learnt("a", "alone", 18, 6, 4, seed=seed),
            learnt("b", "alone", 4, 18, 4, seed=seed),
            learnt("c", "alone", 4, 4, 18, seed=seed),
            learnt("a + b + c", "joint", 16, 16, 16, seed=seed),
            learnt("a → b", "plain", 14, 16, 8, seed=seed),
            learnt("a → b → c", "plain", 10, 12, 14, seed=seed),
            learnt("a → b", "keep ewc", 16, 14, 8, seed=seed),
        ]
    return [*found, learnt("a → b → c", "keep ewc", 14, 14, 14, seed=1)]


@pytest.fixture
def pool(outcomes: list[Outcome]) -> Pool:
    (found,) = pools(outcomes)
    return found


def test_a_chain_has_the_stages_of_each_seed_that_is_finished(pool: Pool) -> None:
    plain, keep = chains(pool)
    assert (plain.order, plain.way, set(plain.by_seed)) == (NAMES, "plain", {0, 1})
    assert (keep.way, set(keep.by_seed)) == ("keep ewc", {1})
    expected = np.array([[18, 6, 4], [14, 16, 8], [10, 12, 14]]) / 20
    assert plain.mean.after == pytest.approx(expected)
    assert plain.mean.untrained == pytest.approx(np.array([2, 2, 4]) / 20)
    assert plain.values("BWT") == {0: pytest.approx(-6 / 20), 1: pytest.approx(-6 / 20)}
    assert plain.values("FWT")[0] == pytest.approx((4 + 4) / 2 / 20)


def test_the_report_has_metrics_maps_and_matrices(pool: Pool) -> None:
    metrics, figure, matrix = matrix_parts(pool)
    assert isinstance(metrics, Table)
    rows = {row[1].text: row for row in metrics.rows}
    assert list(rows) == ["plain", "keep ewc", "joint", "each domain alone"]
    average = [round(20 * (row[2].value or 0)) for row in rows.values()]
    assert average == [12, 14, 16, 18]
    assert isinstance(figure, Figure)
    (trace,) = figure.traces
    assert trace["y"] == ["untrained", "after 1: a", "after 2: b", "after 3: c"]
    assert trace["x"] == ["a", "b", "c"]
    assert trace["z"][2] == pytest.approx([70, 80, 40])
    assert isinstance(matrix, Table)
    assert [cell.text for cell in matrix.rows[2][:3]] == ["a → b → c", "plain", "3, c"]
    assert [cell.value for cell in matrix.rows[2][3:]] == pytest.approx([0.5, 0.6, 0.7])


def test_the_matrix_of_another_order_has_its_columns_in_the_order_given() -> None:
    found = [
        learnt("b", "alone", 4, 18, 4),
        learnt("b → a", "plain", 18, 14, 4),
        learnt("b → a → c", "plain", 12, 14, 16),
        learnt("a", "alone", 18, 4, 4),
        learnt("c", "alone", 4, 4, 18),
    ]
    (pool,) = pools(found)
    _, figure, matrix = matrix_parts(pool)
    assert isinstance(figure, Figure)
    assert figure.traces[0]["x"] == ["b", "a", "c"]
    assert figure.traces[0]["z"][1] == pytest.approx([90, 20, 20])
    assert isinstance(matrix, Table)
    assert list(matrix.columns[3:]) == ["a", "b", "c"]
    assert [cell.value for cell in matrix.rows[0][3:]] == pytest.approx([0.2, 0.9, 0.2])
