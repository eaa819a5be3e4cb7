"""Made-up plots for the page of a report: one of each kind."""

from typing import Any

import numpy as np

from ossicle.reports import Figure

METHODS = (
    "linear",
    "lora(rank=8)",
    "bottleneck(width=16)",
    "prefix(length=10)",
    "bitfit",
    "full",
    "lora(rank=8) @ attn.q, attn.v + bottleneck(width=32) @ ffn, layers 0-11",
)


def curves() -> Figure:
    rng = np.random.default_rng(1)
    x = [1, 2, 4, 8, 16]
    traces: list[dict[str, Any]] = []
    for number, method in enumerate(METHODS):
        y = np.sort(40 + 50 * rng.random(5))
        low, high = (y - 3).tolist(), (y + 3).tolist()
        if number < 2:
            traces.append(
                {
                    "type": "scatter",
                    "name": method,
                    "x": [*x, *x[::-1]],
                    "y": [*high, *low[::-1]],
                    "meta": {"role": "band", "series": number},
                }
            )
        traces.append(
            {
                "type": "scatter",
                "name": method,
                "x": x,
                "y": y.tolist(),
                "mode": "lines+markers",
                "meta": {"series": number},
            }
        )
    traces.append(
        {
            "type": "scatter",
            "name": "chance",
            "x": [1, 16],
            "y": [10, 10],
            "meta": {"role": "reference"},
        }
    )
    layout = {
        "xaxis": {"title": {"text": "recordings per class"}, "type": "log"},
        "yaxis": {"title": {"text": "accuracy (%)"}},
    }
    return Figure(
        name="few-shot",
        title="Accuracy by the number of shots",
        traces=traces,
        layout=layout,
        about="Accuracy rises with the number of recordings per class; "
        "bands are 95 % bootstrap intervals.",
    )


def labelled() -> Figure:
    trace = {
        "type": "scatter",
        "mode": "markers+text",
        "x": [1000 * 1.05**number for number in range(40)],
        "y": [80 + number / 10 for number in range(40)],
        "text": [f"recipe number {number}" for number in range(40)],
        "textposition": "top center",
    }
    return Figure(
        name="sizes",
        title="Accuracy against size",
        traces=[trace],
        layout={"xaxis": {"type": "log"}},
        about="More parameters, higher accuracy.",
    )


def heat(name: str, *, diverging: bool = False) -> Figure:
    z = np.random.default_rng(2).random((6, 12)) - (0.5 if diverging else 0)
    trace = {
        "type": "heatmap",
        "z": z.round(2).tolist(),
        "x": list(range(12)),
        "y": [*METHODS[:5], "a & b"],
        "texttemplate": "%{z}",
        "meta": {"scale": "diverging"} if diverging else {},
    }
    layout = {"xaxis": {"title": {"text": "layer"}, "dtick": 1}}
    return Figure(
        name=name,
        title="Weights of the layers",
        traces=[trace],
        layout=layout,
        about="The weighted sum draws most from the middle layers.",
    )


def panels() -> Figure:
    rng = np.random.default_rng(3)
    traces = []
    for panel in range(4):
        for label in range(5):
            points = rng.normal(size=(20, 2)) + 3 * rng.normal(size=2)
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": f"class {label}",
                    "x": points[:, 0].round(2).tolist(),
                    "y": points[:, 1].round(2).tolist(),
                    "xaxis": f"x{panel + 1}",
                    "yaxis": f"y{panel + 1}",
                    "meta": {"series": label},
                }
            )
    layout = {"grid": {"rows": 2, "columns": 2, "pattern": "independent"}, "height": 700}
    return Figure(
        name="tsne",
        title="Embeddings of the test recordings",
        traces=traces,
        layout=layout,
        about="t-SNE of the embeddings, one panel per method.",
    )


def bars() -> Figure:
    traces = [
        {
            "type": "bar",
            "name": name,
            "x": list(METHODS[:5]),
            "y": values,
            "error_y": {"type": "data", "array": [2, 1, 1, 2, 1]},
        }
        for name, values in (
            ("training step", [1, 2, 3, 2, 4]),
            ("latency", [1, 1, 2, 1, 1]),
            ("memory", [2, 2, 2.5, 2, 3]),
        )
    ]
    layout = {"yaxis": {"title": {"text": "ratio to the bare backbone"}}, "barmode": "group"}
    return Figure(
        name="cost",
        title="Cost",
        traces=traces,
        layout=layout,
        about="Ratios to the bare backbone; lower is better.",
    )


def boxes() -> Figure:
    rng = np.random.default_rng(4)
    traces = [
        {
            "type": "box",
            "name": name,
            "y": rng.normal(80, 4, 15).round(1).tolist(),
            "boxpoints": "all",
        }
        for name in METHODS[:4]
    ]
    return Figure(
        name="folds",
        title="Spread over the folds",
        traces=traces,
        layout={},
        about="Each point is one trial.",
    )
