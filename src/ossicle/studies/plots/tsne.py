"""t-SNE of the embeddings of test recordings by class, a panel for each recipe.

Sources: van der Maaten and Hinton 2008, "Visualizing data using t-SNE"; as a comparison of methods,
Cappellazzo et al. 2023, https://arxiv.org/abs/2312.03694, figure 2.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from ossicle.adapters.folder import TENSORS
from ossicle.errors import AdapterFileError, OssicleError
from ossicle.progress import Progress, no_progress
from ossicle.reports.parts import Figure
from ossicle.studies.plots.groups import Group, by_score, group, left_out, panels, score_of, short
from ossicle.training.embeddings import (
    MOST_EMBEDDED,
    Embeddings,
    compute_embeddings,
    read_embeddings,
)
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import TRAINING

EMBEDDINGS: Final = "embeddings"  # name of the figure
MOST_PANELS: Final = 9
MOST_CLASSES: Final = 12  # classes with a colour and symbol
FEWEST: Final = 5  # recordings
COLUMNS: Final = 3
PERPLEXITY: Final = 30.0


def store_embeddings(
    outcomes: Sequence[Outcome], *, device: str = "auto", progress: Progress = no_progress
) -> list[str]:
    """Compute the embeddings that `embedding_map` draws, where a run folder has none.

    Args:
        outcomes: All outcomes of a study.
        device: Where to compute them: auto, cpu, cuda, ...
        progress: Called while they are computed.

    Returns:
        A sentence for each recipe whose embeddings cannot be computed.
    """
    faults = []
    for _, panel in panels(outcomes):
        for one in _ranked(panel)[:MOST_PANELS]:
            folder = one.outcomes[0].folder
            try:
                if not _is_stored(folder):
                    compute_embeddings(folder, device=device, progress=progress)
            except OssicleError as error:
                faults.append(f"no embeddings of {one.name}: {error}")
    return faults


def _is_stored(folder: Path) -> bool:
    """Return whether a run folder has embeddings that can be read."""
    try:
        return read_embeddings(folder) is not None
    except AdapterFileError:
        return False


def embedding_map(outcomes: Sequence[Outcome]) -> Figure | None:
    """Return the map of the embeddings in the folders of the best groups; None without any.

    Groups without embeddings are left out; `store_embeddings` computes them.

    Args:
        outcomes: The outcomes of a panel.

    Raises:
        AdapterFileError: a file is damaged.
    """
    ranked = _ranked(outcomes)
    found: dict[Group, Embeddings] = {}
    for one in ranked[:MOST_PANELS]:
        folder = one.outcomes[0].folder
        made = read_embeddings(folder) if (folder / TENSORS).is_file() else None
        if made is not None and len(made.keys) >= FEWEST and _has_classes(made):
            found[one] = made
    return _figure(found, len(ranked) - len(found)) if found else None


def _ranked(outcomes: Sequence[Outcome]) -> list[Group]:
    """Return the groups that have trained an adapter, best first."""
    trained = [one for one in outcomes if one.trial.runner in TRAINING]
    score = score_of(trained)
    return [] if score is None else by_score(group(trained), score)


def tsne(vectors: Float[np.ndarray, "N E"]) -> Float[np.ndarray, "N 2"]:
    """Return a point in the plane for each vector; the same for the same vectors."""
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    drawn = TSNE(perplexity=perplexity, init="pca", random_state=0, n_jobs=1)
    points: Float[np.ndarray, "N 2"] = drawn.fit_transform(np.asarray(vectors, np.float32))
    return points


def _has_classes(made: Embeddings) -> bool:
    """Return whether labels repeat: numbers to be predicted, for instance, hardly do."""
    return len(set(made.labels)) <= len(made.labels) / 2


def _figure(found: Mapping[Group, Embeddings], missing: int) -> Figure:
    counts = Counter(label for made in found.values() for label in made.labels)
    most = sorted(sorted(counts), key=lambda label: -counts[label])[:MOST_CLASSES]
    classes = sorted(most)
    columns = min(COLUMNS, len(found))
    rows = -(-len(found) // columns)
    layout: dict[str, Any] = {
        "grid": {"rows": rows, "columns": columns, "pattern": "independent"},
        "height": 80 + 300 * rows,
    }
    traces: list[Mapping[str, Any]] = []
    for number, (one, made) in enumerate(found.items(), start=1):
        end = "" if number == 1 else str(number)
        bare = {"showticklabels": False, "ticks": "", "zeroline": False, "showgrid": False}
        layout[f"xaxis{end}"] = {**bare, "title": {"text": short(one.name)}}
        layout[f"yaxis{end}"] = bare
        points = tsne(made.vectors)
        traces += _panel(made, points, classes, {"xaxis": f"x{end}", "yaxis": f"y{end}"})
    others = len(counts) - len(classes)
    size = max(len(made.keys) for made in found.values())
    drawn = f"at most {MOST_EMBEDDED} are drawn" if size == MOST_EMBEDDED else f"{size} recordings"
    return Figure(
        name=EMBEDDINGS,
        title="t-SNE of the embeddings of the test recordings",
        traces=traces,
        layout=layout,
        about=(
            "Embeddings of the test recordings (what the last layer of the head reads) of the "
            f"first run of each recipe, reduced to two dimensions by t-SNE; {drawn}. Neighbours "
            "are similar; distances between clusters, and axes, mean nothing."
            + (f" {others} more classes are grey." if others else "")
            + left_out(missing)
        ),
    )


def _panel(
    made: Embeddings,
    points: Float[np.ndarray, "N 2"],
    classes: Sequence[str],
    axes: Mapping[str, str],
) -> list[Mapping[str, Any]]:
    """Return a trace for each class, and one for the rest."""
    labels = np.array(made.labels)
    traces: list[Mapping[str, Any]] = []
    for series, name in enumerate([*classes, None]):
        rows = np.flatnonzero(~np.isin(labels, classes) if name is None else labels == name)
        if not len(rows):
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "other classes" if name is None else name,
                "x": np.round(points[rows, 0], 2).tolist(),
                "y": np.round(points[rows, 1], 2).tolist(),
                "customdata": [[made.labels[row], made.keys[row]] for row in rows],
                "hovertemplate": "<b>%{customdata[0]}</b><br>%{customdata[1]}<extra></extra>",
                "meta": {"role": "background"} if name is None else {"series": series},
                **axes,
            }
        )
    return traces
