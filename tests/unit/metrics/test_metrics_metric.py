"""How values of metrics are written."""

from ossicle.metrics.metric import Metric


def test_a_fraction_is_written_in_percent_and_other_values_as_they_are() -> None:
    uar, ccc = Metric("UAR"), Metric("CCC", percent=False)
    assert (uar.text(0.8526), uar.number(0.8526), uar.unit) == ("85.3 %", "85.3", " %")
    assert (ccc.text(0.8526), ccc.number(-0.8526), ccc.unit) == ("0.853", "-0.853", "")


def test_a_difference_has_its_sign() -> None:
    assert Metric("UAR").difference(0.0214) == "+2.1"
    assert Metric("UAR").difference(-0.0214) == "-2.1"
    assert Metric("negative error", percent=False).difference(0.0214) == "+0.021"


def test_a_spread_over_seeds_needs_two_of_them() -> None:
    assert Metric("UAR").spread(0.8526, 0.0104) == "85.3 ± 1.0"
    assert Metric("CCC", percent=False).spread(0.8526, 0.0104) == "0.853 ± 0.010"
    assert Metric("UAR").spread(0.8526, None) == "85.3"
    assert Metric("UAR").spread(None, None) == "not available"
