"""Made-up reports: one of everything, one with hostile text, and an empty one."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ossicle.reports import Cell, Figure, Report, Section, Table

METHODS = (
    "linear",
    "lora(rank=8)",
    "bottleneck(width=16)",
    "prefix(length=10)",
    "bitfit",
    "full",
    "lora(rank=8) @ attn.q, attn.v + bottleneck(width=32) @ ffn, layers 0-11",
)
HOSTILE = {
    "script": "</script><script>document.title='run'</script>",
    "image": "<img src=x onerror=\"document.title='run'\">",
    "quotes": '"\'` onmouseover=alert(1) x="',
    "template": "{{ 7 * 7 }}{% raw %} %{x} ${y}",
    "right to left": "\u202egnp.exe \u05e9\u05dc\u05d5\u05dd",
    "newline": "first\nsecond\r\nthird\x00\x1b[31m",
    "formula": '=HYPERLINK("http://example.org","click")',
    "long": "wav2vec2" * 60,
    "latex": r"50% of $x_1$ & #2 ~ {a} \input{/etc/passwd} ^",
}


def spread(mean: float, deviation: float, *, strong: bool = False) -> Cell:
    return Cell(
        text=f"{mean:.1f} ± {deviation:.1f}", value=mean, deviation=deviation, strong=strong
    )


def words(*texts: str) -> list[Cell]:
    return [Cell(text=text) for text in texts]


def methods_table(name: str = "methods", metrics: int = 5) -> Table:
    rng = np.random.default_rng(0)
    rows = []
    for number, method in enumerate(METHODS):
        size = int(10 ** (3.5 + 0.4 * number))
        scores = [
            spread(60 + 30 * rng.random(), 3 * rng.random(), strong=number == 2)
            for _ in range(metrics)
        ]
        rows.append([Cell(text=method), Cell(text=f"{size:,}", value=size), *scores])
    rows.append([*words("mfcc, random forest", "–"), *words(*["–"] * metrics)])
    columns = ["recipe", "trained parameters", *(f"accuracy {k}" for k in range(metrics))]
    return Table(
        name=name,
        title="Accuracy of the methods",
        columns=columns,
        rows=rows,
        notes=(
            "Accuracy in percent, mean ± standard deviation over 5 folds and 3 seeds.",
            "No p-value: with fewer than five seeds no winner is called.",
        ),
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


def full(title: str = "Comparison of methods on esc10") -> Report:
    wide = methods_table("many-metrics", metrics=12)
    return Report(
        title=title,
        command="ossicle study methods --recipes linear,lora,bottleneck,prefix,bitfit,full "
        "--data esc10 --backbone tiny-ast --folds all --seeds 0,1,2 --out studies/esc10",
        verdict=(
            "bottleneck(width=16) reaches the highest accuracy, 87.3 ± 1.2 %, with 1.2 % of the "
            "parameters of full fine-tuning.",
            "The difference to full fine-tuning is not significant (p = 0.21, Holm-corrected).",
        ),
        facts={
            "Data": "esc10: 400 recordings, 10 classes, 5 folds",
            "Backbone": "tiny-ast",
            "Task": "classification",
            "Trials": "105: 7 recipes, 5 folds, 3 seeds",
        },
        sections=[
            Section(
                title="Methods",
                parts=["Every recipe with the same folds and seeds.", methods_table(), boxes()],
            ),
            Section(title="Few-shot", parts=[curves()]),
            Section(title="Layers", parts=[heat("weights"), heat("placement", diverging=True)]),
            Section(title="Embeddings", parts=[panels()]),
            Section(title="Cost", parts=[wide, bars()]),
        ],
        environment={"ossicle": "0.9.0", "torch": "2.9.0", "Python": "3.11.2", "Platform": "Linux"},
    )


def partial() -> Report:
    table = Table(
        name="methods",
        title="Accuracy of the methods",
        columns=("recipe", "accuracy (%)", "trials"),
        rows=[
            [Cell(text="linear"), spread(71.2, 1.1), Cell(text="5 of 5", value=5)],
            [Cell(text="lora"), Cell(text="–"), Cell(text="0 of 5", value=0)],
        ],
        notes=("lora has no finished trial.",),
    )
    return Report(
        title="Comparison of methods on demo",
        command="ossicle study methods --recipes linear,lora --data demo --out here",
        verdict=("5 of 12 trials are finished; no comparison is possible yet.",),
        facts={"Data": "demo", "Backbone": "tiny-hubert"},
        sections=[Section(title="Methods", parts=[table])],
        failed=[
            (
                f"recipe lora, seed {seed}",
                "out of memory: the trial needed more than 2.0 GiB. "
                "Use --batch-size 4 or fewer workers",
            )
            for seed in range(3)
        ],
        missing=("4 trials are pending.", "1 trial is running."),
        environment={"ossicle": "0.9.0"},
    )


def hostile(by_kind: Mapping[str, str] = HOSTILE) -> Report:
    texts = list(by_kind.values())
    table = Table(
        name="hostile",
        title=by_kind["script"],
        columns=texts,
        rows=[words(*texts), words(*texts[1:], texts[0])],
        notes=texts,
    )
    trace = {
        "type": "bar",
        "name": by_kind["image"],
        "x": texts,
        "y": [1.0] * len(texts),
        "text": texts,
        "hovertemplate": "%{x}: %{text}<extra>%{fullData.name}</extra>",
    }
    other = {"type": "bar", "name": "a <b>b</b> & c", "x": texts, "y": [1.0] * len(texts)}
    figure = Figure(
        name="hostile-plot",
        title=by_kind["image"],
        traces=[trace, other],
        layout={"xaxis": {"title": {"text": by_kind["script"]}}},
        about=by_kind["quotes"],
    )
    return Report(
        title=by_kind["script"],
        command=" ".join(texts),
        verdict=texts,
        facts={f"{kind} {text}": text for kind, text in by_kind.items()},
        sections=[Section(title=text, parts=[text]) for text in texts]
        + [Section(title="Parts", parts=[table, figure])],
        failed=[(text, text) for text in texts],
        missing=texts,
        environment={f"{kind} {text}": text for kind, text in by_kind.items()},
    )


def empty() -> Report:
    return Report(
        title="Comparison of methods",
        command="ossicle study methods",
        verdict=(),
        facts={},
        sections=[],
    )


KINDS = {"full": full, "partial": partial, "hostile": hostile, "empty": empty}
