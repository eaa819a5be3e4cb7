"""How a metric is written in reports: its name, and its value in percent or as it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A metric as tables and reports write it.

    Attributes:
        label: Its name in the literature, e.g. macro-F1.
        percent: Whether values from 0 to 1 are written in percent.
    """

    label: str
    percent: bool = True

    @property
    def unit(self) -> str:
        """What follows a value in running text."""
        return " %" if self.percent else ""

    def number(self, value: float) -> str:
        """Return a value without its unit, as in 85.3 or 0.853."""
        return f"{100 * value:.1f}" if self.percent else f"{value:.3f}"

    def difference(self, value: float) -> str:
        """Return a difference between two values with its sign, as in +2.1 or -0.021."""
        return f"{100 * value:+.1f}" if self.percent else f"{value:+.3f}"

    def text(self, value: float) -> str:
        """Return a value with its unit, as in 85.3 % or 0.853."""
        return self.number(value) + self.unit

    def spread(self, mean: float | None, deviation: float | None) -> str:
        """Return a mean over seeds and its standard deviation, as in 85.3 ± 0.4.

        Args:
            mean: None if the metric does not exist.
            deviation: None if there is one seed.
        """
        if mean is None:
            return "not available"
        return self.number(mean) + ("" if deviation is None else f" ± {self.number(deviation)}")
