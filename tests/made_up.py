"""Made-up reports: one of everything, one with hostile text, and an empty one."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from made_up_plots import METHODS, bars, boxes, curves, heat, labelled, panels
from ossicle.reports import Cell, Figure, Report, Section, Table

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
    rows.insert(3, [*words("mfcc, random forest", "–"), *words(*["–"] * metrics)])
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
            Section(title="Few-shot", parts=[curves(), labelled()]),
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
        sections=[Section(title="Methods", parts=[table, replace(curves(), traces=[])])],
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
