"""The report of the study of pruning, on results that a test chooses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from outcomes import outcome, rows

from ossicle.files import write_sealed
from ossicle.reports.parts import Figure, Table
from ossicle.studies import Prune
from ossicle.studies.pruning.survival import by_place, survival
from ossicle.training.folder import PRUNED
from ossicle.trials.outcome import Outcome

SIZE = 40
LABELS = ["a", "b"] * (SIZE // 2)


def result(pruning: str, kept: float, right: int, seed: int, folder: Path) -> Outcome:
    """Return a finished outcome with so many right answers."""
    other = {"a": "b", "b": "a"}
    said = [label if n < right else other[label] for n, label in enumerate(LABELS)]
    labels: dict[str, Any] = {"recipe": "lora", "seed": seed, "pruning": pruning, "kept": kept}
    one = outcome(labels, rows(LABELS), said, parameters=int(1000 * kept))
    return replace(one, folder=folder / f"{pruning}-{kept}-{seed}")


def outcomes(folder: Path) -> list[Outcome]:
    """Return three seeds: taylor is better than random with each, by other numbers of answers."""
    found = []
    for seed in range(5):
        for pruning, kept, right in (
            ("unpruned", 1.0, 36),
            ("trained on", 1.0, 37),
            ("taylor", 0.5, 34 + seed % 2),
            ("taylor", 0.1, 30),
            ("random", 0.5, 20 + seed),
            ("random", 0.1, 18),
            ("from scratch", 0.5, 34),
        ):
            one = result(pruning, kept, right, seed, folder)
            if pruning in ("taylor", "random"):
                slots = {
                    "0/0/attn.q": {"method": "lora", "before": 400, "after": int(400 * kept)},
                    "0/1/attn.q": {"method": "lora", "before": 400, "after": 400 * (seed % 2)},
                    "1/-/layers": {"method": "l-adapter", "before": 200, "after": 200},
                }
                one.folder.mkdir(parents=True)
                write_sealed(one.folder / PRUNED, {"slots": slots})
            found.append(one)
    return found


def test_ways_are_compared_with_each_reference_at_the_same_size(tmp_path: Path) -> None:
    said, sections = Prune().analyse(outcomes(tmp_path))
    parts = {part.name: part for one in sections for part in one.parts if not isinstance(part, str)}
    assert set(parts) == {
        "curve-1",
        "sizes-1",
        "against-unpruned-1",
        "against-trained-on-1",
        "against-from-scratch-1",
        "against-random-1",
        "kept-taylor-1",
        "kept-random-1",
    }
    against = parts["against-random-1"]
    assert isinstance(against, Table)
    assert [[cell.text for cell in row[:3]] for row in against.rows] == [
        ["taylor", "50%", "500"],
        ["taylor", "10%", "100"],
    ]
    scratch = parts["against-from-scratch-1"]
    assert isinstance(scratch, Table)  # there is none at 10 %
    assert [(row[0].text, row[1].text) for row in scratch.rows] == [
        ("taylor", "50%"),
        ("random", "50%"),
    ]
    unpruned = parts["against-unpruned-1"]
    assert isinstance(unpruned, Table)
    assert len(unpruned.rows) == 4
    assert all(row[5].value < 0 for row in unpruned.rows if row[5].value is not None)
    assert "lora at 50% of the parameters:" in " ".join(said)


def test_the_map_is_the_mean_share_over_seeds(tmp_path: Path) -> None:
    _, sections = Prune().analyse(outcomes(tmp_path))
    (found,) = [
        part
        for one in sections
        for part in one.parts
        if isinstance(part, Figure) and part.name == "kept-taylor-1"
    ]
    (trace,) = found.traces
    assert trace["y"] == ["lora, 50%", "lora, 10%", "l-adapter, 50%", "l-adapter, 10%"]
    assert trace["x"] == ["0", "1", "outside layers"]
    assert trace["z"] == [
        [50.0, 40.0, None],  # layer 1 is kept with two of five seeds
        [10.0, 40.0, None],
        [None, None, 100.0],
        [None, None, 100.0],
    ]


def test_adapters_of_one_method_in_a_layer_count_together() -> None:
    slots = {
        "0/0/attn.q": {"method": "lora", "before": 100, "after": 20},
        "1/0/attn.v": {"method": "lora", "before": 300, "after": 0},
        "2/0/layer": {"method": "skip", "before": 0, "after": 0},
    }
    assert by_place({"slots": slots}) == {("lora", "0"): (400, 20)}
    figure = survival({"5%": [{"slots": slots}]}, name="x", title="x", about="")
    assert figure is not None
    assert figure.traces[0]["z"] == [[5.0]]


def test_a_study_under_way_says_so(tmp_path: Path) -> None:
    some = outcomes(tmp_path)[:7]
    waiting = replace(some[-1], state="pending", measured=None)
    said, _ = Prune().analyse([*some[:-1], waiting])
    assert said[-1] == "6 of 7 trials are finished; the rest may change this."
    assert Prune().analyse([waiting]) == (["No trial is finished yet."], [])
