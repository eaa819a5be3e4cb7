"""The tables and the plot of the study of cost."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

from ossicle.compute.turns import Spread, ratios
from ossicle.reports.parts import Cell, Figure, Section, Table
from ossicle.trials.outcome import Outcome

BARE: Final = "backbone alone"
TIMES: Final = {"step": "training step", "latency": "prediction"}
MOST_NAMED: Final = 12  # recipes with their name beside their point
NONE: Final = Cell(text="–")
_NOTES: Final = (
    "Ratios are medians over the rounds, with quartiles. The backbone alone has no adapter, head "
    "or gradient; its training step is its forward pass. A prediction is of one recording, "
    "throughput is measured on whole batches.",
    "Trained parameters, size and time include a linear head with 10 outputs.",
    "On a CPU, one thread computes, and processor time is measured. Peak memory is that of a "
    "training step in a process of its own, without that of the libraries, or of the GPU.",
)
_NO_MEMORY: Final = (
    "The peak memory is not known, because its process did not finish or the system reports none, "
    "of"
)


class CostResult:
    """The result of one trial, as parts of a report."""

    def __init__(self, outcome: Outcome, number: int) -> None:
        assert outcome.measured is not None
        self._trial = outcome.trial
        self._suffix = "" if number == 1 else f"-{number}"
        self._facts = outcome.measured.facts
        self._bare, *self._rows = (_Row(row, self._facts["rows"][0]) for row in self._facts["rows"])

    @property
    def section(self) -> Section:
        """The tables and the plot."""
        settings = self._trial.settings
        setup = (
            f"{self._facts['device']}; {settings['rounds']} rounds; batches of "
            f"{settings['batch_size']} recordings of {settings['seconds']:g} s"
        )
        failed = [
            f"{name} cannot be measured: {why}" for name, why in self._facts["failed"].items()
        ]
        return Section(
            title=f"Cost on {self._trial.config.backbone}",
            parts=[setup, self._ratios(failed), self._values(), self._figure()],
        )

    @property
    def verdict(self) -> str:
        """The range of training steps and latencies."""
        parts = []
        for what, name in TIMES.items():
            ordered = sorted(self._rows, key=lambda row: row.ratio(what).median)
            low, high = ordered[0], ordered[-1]
            least = f"{low.ratio(what).median:.2f} ({low.name}) to " if len(ordered) > 1 else ""
            parts.append(f"a {name} takes {least}{high.ratio(what).median:.2f} times ({high.name})")
        return (
            f"On {self._trial.config.backbone}, {' and '.join(parts)} as long as the forward pass "
            "of the backbone alone."
        )

    def _ratios(self, failed: Sequence[str]) -> Table:
        return Table(
            name=f"cost{self._suffix}",
            title="Ratios to the backbone alone",
            columns=[
                "recipe",
                "parameters",
                "training step",
                "prediction",
                "throughput",
                "peak memory",
            ],
            rows=[row.ratios for row in (self._bare, *self._rows)],
            notes=[*_NOTES, *self._unknown_memory(), *failed],
        )

    def _unknown_memory(self) -> list[str]:
        """Return a note on recipes without peak memory."""
        unknown = [row.name for row in (self._bare, *self._rows) if row.peak_mib is None]
        return [f"{_NO_MEMORY}: {', '.join(unknown)}."] if unknown else []

    def _values(self) -> Table:
        return Table(
            name=f"cost-values{self._suffix}",
            title="Medians",
            columns=[
                "recipe",
                "training step (ms)",
                "prediction (ms)",
                "throughput (recordings/s)",
                "peak memory (MiB)",
                "adapter (kB)",
            ],
            rows=[
                row.values(int(self._trial.settings["batch_size"]))
                for row in (self._bare, *self._rows)
            ],
        )

    def _figure(self) -> Figure:
        return Figure(
            name=f"cost-parameters{self._suffix}",
            title="Time against trained parameters",
            traces=[
                *(_trace(self._rows, what, name) for what, name in TIMES.items()),
                _reference(self._rows),
            ],
            layout={
                "xaxis": {"type": "log", "title": {"text": "trained parameters, head included"}},
                "yaxis": {"title": {"text": "ratio to the backbone alone"}, "rangemode": "tozero"},
            },
            about=(
                "Time of a training step on a batch and of the inference of one recording, as "
                "ratios to the forward pass of the backbone alone, against trained parameters. "
                "Bars are quartiles over the rounds."
            ),
        )


class _Row:
    """The measurement of one recipe, compared with that of the backbone alone."""

    def __init__(self, row: Mapping[str, Any], bare: Mapping[str, Any]) -> None:
        self._row = row
        self._bare = bare
        self.name: str = row["recipe"] or BARE

    @property
    def parameters(self) -> int:
        """Trained parameters, head included; 0 of the backbone alone."""
        return int(self._row["parameters"]["trainable"]) if self._row["parameters"] else 0

    @property
    def peak_mib(self) -> float | None:
        """Peak memory of a training step; None if unknown."""
        peak: float | None = self._row["peak_mib"]
        return peak

    def ratio(self, what: str) -> Spread:
        """Return the spread of the ratios of its seconds to those of the backbone alone."""
        return ratios(self._row["seconds"][what], self._bare["seconds"][what])

    @property
    def ratios(self) -> list[Cell]:
        """The cells of the table of ratios."""
        faster = ratios(self._bare["seconds"]["batch"], self._row["seconds"]["batch"])
        peak, bare = self.peak_mib, self._bare["peak_mib"]
        memory = NONE
        if peak is not None and bare:
            memory = Cell(text=f"{peak / bare:.2f}", value=peak / bare)
        return [
            Cell(text=self.name),
            Cell(text=f"{self.parameters:,}", value=self.parameters),
            *(_cell(self.ratio(what)) for what in TIMES),
            _cell(faster),
            memory,
        ]

    def values(self, batch_size: int) -> list[Cell]:
        """Return the cells of the table of medians."""
        seconds = {what: median(values) for what, values in self._row["seconds"].items()}
        peak = self.peak_mib
        rate = batch_size / seconds["batch"]
        return [
            Cell(text=self.name),
            *(Cell(text=f"{1000 * seconds[w]:,.1f}", value=1000 * seconds[w]) for w in TIMES),
            Cell(text=f"{rate:,.1f}", value=rate),
            NONE if peak is None else Cell(text=f"{peak:,.0f}", value=peak),
            Cell(text=f"{self._row['bytes'] / 1000:,.0f}", value=self._row["bytes"] / 1000),
        ]


def _cell(found: Spread) -> Cell:
    return Cell(text=f"{found.median:.2f} [{found.low:.2f}, {found.high:.2f}]", value=found.median)


def _trace(rows: Sequence[_Row], what: str, name: str) -> dict[str, Any]:
    named = what == "step" and len(rows) <= MOST_NAMED
    spreads = [row.ratio(what) for row in rows]
    return {
        "type": "scatter",
        "mode": "markers+text" if named else "markers",
        "text": [row.name for row in rows],
        "textposition": "top center",
        "name": name,
        "x": [row.parameters for row in rows],
        "y": [one.median for one in spreads],
        "error_y": {
            "type": "data",
            "array": [one.high - one.median for one in spreads],
            "arrayminus": [one.median - one.low for one in spreads],
        },
        "hovertemplate": (
            "<b>%{text}</b><br>%{y:.2f} times, %{x:,} parameters<extra>%{fullData.name}</extra>"
        ),
    }


def _reference(rows: Sequence[_Row]) -> dict[str, Any]:
    """Return the line of the backbone alone."""
    sizes = [row.parameters for row in rows]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": BARE,
        "x": [min(sizes), max(sizes)],
        "y": [1, 1],
        "meta": {"role": "reference"},
        "hoverinfo": "skip",
    }
