"""Figures of reports as figures of plotly's Python library, which notebooks show."""

import re
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any, Final

from ossicle.html import printable
from ossicle.reports.parts import Figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as PlotlyFigure

_MARKUP: Final = re.compile("(template|format)$")  # keys whose texts are markup, not plain text
_LOOK: Final[dict[str, dict[str, Any]]] = {
    "band": {"line": {"width": 0}, "fillcolor": "rgba(0, 114, 178, 0.2)", "showlegend": False},
    "reference": {"line": {"color": "gray", "dash": "dot"}},
    "background": {"marker": {"color": "lightgray"}},
}


def to_plotly(figure: Figure) -> "PlotlyFigure":
    """Return a figure of a report as a `plotly.graph_objects.Figure`.

    Args:
        figure: A figure, such as `ossicle.studies.plots` makes.
    """
    import plotly.graph_objects as go

    traces = [_with_look(_plain(trace)) for trace in figure.traces]
    layout = {**_plain(figure.layout), "title": {"text": _plain(figure.title)}}
    return go.Figure(data=traces, layout=layout)


def _with_look(trace: dict[str, Any]) -> dict[str, Any]:
    """Return a trace with the look of what `meta` says that it is."""
    meta = trace.get("meta") or {}
    if trace.get("type") == "heatmap":
        return {"colorscale": "RdBu" if meta.get("scale") == "diverging" else "Blues", **trace}
    look = _LOOK.get(meta.get("role", ""), {})
    both = {
        key: {**value, **trace.get(key, {})}
        for key, value in look.items()
        if isinstance(value, dict)
    }
    return {**look, **trace, **both}


def _plain(value: Any, key: str = "") -> Any:
    """Return data in which plain text is escaped, since plotly reads some HTML in every text."""
    if isinstance(value, str):
        return value if _MARKUP.search(key) else escape(printable(value), quote=False)
    if isinstance(value, Mapping):
        return {name: _plain(one, name) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, key) for one in value]
    return value
