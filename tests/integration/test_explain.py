"""What `ossicle report --explain` computes and shows, on runs and on files made by hand."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from made import outcome
from ossicle.errors import RunError
from ossicle.reports.parts import Table
from ossicle.statistics.cka import linear_cka
from ossicle.studies.explain import HOW_TO_EXPLAIN, explained, store_explanations
from ossicle.studies.plots.attribution import agreement, attributions
from ossicle.studies.plots.compared import compared_runs
from ossicle.studies.plots.similarity import similarity_maps
from ossicle.studies.results import results
from ossicle.training.attribution import ATTRIBUTIONS, Attributions, read_attributions
from ossicle.training.kept import adapter_digest, keep
from ossicle.training.representations import REPRESENTATIONS, Representations

GENERATOR = np.random.default_rng(0)


@pytest.fixture
def copy(finished, tmp_path):
    """Function that returns another copy of the folder of a finished run."""
    return lambda name: Path(shutil.copytree(finished, tmp_path / name))


def put_states(folder, hidden, with_bare, keys="abcd"):
    tensors = {
        "hidden": torch.from_numpy(hidden),
        "with_bare": torch.tensor(with_bare, dtype=torch.float64),
    }
    keep(folder / REPRESENTATIONS, adapter_digest(folder), tensors, {"keys": tuple(keys)})
    return Representations(tuple(keys), hidden, np.array(with_bare))


def put_maps(folder, maps, decisions, keys=("r1", "r2")):
    made = Attributions(
        keys=keys,
        labels=("no", "yes"),
        decisions=decisions,
        seconds=(1.2, 0.6),
        edges_hz=(0.0, 500.0, 8000.0),
        maps=maps,
    )
    facts = {key: value for key, value in vars(made).items() if key != "maps"}
    keep(folder / ATTRIBUTIONS, adapter_digest(folder), {"maps": torch.from_numpy(maps)}, facts)
    return made


def test_runs_of_one_seed_and_fold_are_compared():
    labels = [{"seed": seed} for seed in (1, 0)]
    found = [
        outcome("lora", 0.8, labels=labels[0], folder=Path("a")),
        outcome("lora", 0.9, labels=labels[1], folder=Path("b")),
        outcome("bitfit", 0.9, labels=labels[1], folder=Path("c")),
        outcome("bitfit", 0.9, labels=labels[0], folder=Path("d")),
        outcome("linear", 0.7, labels=labels[1], folder=Path("e")),
    ]
    runs = compared_runs(found)
    assert {name: one.folder.name for name, one in runs.items()} == {"bitfit": "d", "lora": "a"}
    assert list(runs) == ["bitfit", "lora"]  # the best first


def test_hidden_states_are_compared_layer_by_layer(copy):
    folders = [copy(name) for name in ("one", "two", "other")]
    hidden = [GENERATOR.normal(size=(4, 2, 3)).astype(np.float32) for _ in range(2)]
    put_states(folders[0], hidden[0], [0.9, 0.8])
    put_states(folders[1], hidden[1], [0.7, 0.6])
    put_states(folders[2], hidden[1], [0.7, 0.6], keys="abce")  # of other recordings
    names = ("lora", "bitfit", "linear")
    values = (0.9, 0.8, 0.7)
    found = [outcome(*pair, folder=f) for *pair, f in zip(names, values, folders, strict=True)]
    bare, last, mean = similarity_maps(found)
    assert bare.traces[0]["y"] == ["lora", "bitfit"]
    assert bare.traces[0]["z"] == [[0.9, 0.8], [0.7, 0.6]]
    assert "Not drawn: 1 more recipe." in bare.about
    by_layer = [linear_cka(hidden[0][:, layer], hidden[1][:, layer]) for layer in range(2)]
    between = by_layer[1]
    expected = [[1, between, 0.8], [between, 1, 0.6], [0.8, 0.6, 1]]
    np.testing.assert_allclose(last.traces[0]["z"], expected, atol=1e-6)
    assert last.traces[0]["x"] == ["lora", "bitfit", "no adapters"]
    assert mean.traces[0]["z"][0] == pytest.approx([1, np.mean(by_layer), 0.85])


def test_agreement_is_the_rank_correlation_where_decisions_are_equal():
    maps = np.array([[[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]])
    one = Attributions(("a", "b"), ("x", "y"), ("x", "y"), (1.0, 1.0), (0.0, 1.0, 2.0), maps)
    other_maps = np.array([[[10.0, 20.0], [50.0, 40.0]], [[-1.0, -2.0], [-3.0, -4.0]]])
    other = replace(one, maps=other_maps, decisions=("x", "x"))
    # ranks 1 2 3 4 and 1 2 4 3: 1 - 6 * 2 / (4 * 15)
    assert agreement(one, other) == (pytest.approx(0.8), 1)
    assert agreement(one, replace(other, decisions=("x", "y")))[0] == pytest.approx((0.8 - 1) / 2)
    assert agreement(one, replace(other, decisions=("y", "x"))) == (None, 0)
    flat = replace(one, maps=np.zeros((2, 2, 2)))
    assert agreement(one, flat) == (None, 0)


def test_maps_have_frequency_upwards_and_time_to_the_right(copy):
    folders = [copy("one"), copy("two")]
    maps = np.zeros((2, 3, 2), np.float32)  # three time windows, two bands
    maps[0, 2, 0], maps[0, 0, 1] = 4.0, -2.0
    put_maps(folders[0], maps, ("no", "no"))
    put_maps(folders[1], maps, ("no", "yes"))
    found = [outcome("lora", 0.9, folder=folders[0]), outcome("bitfit", 0.8, folder=folders[1])]
    figure, table = attributions(found)
    trace = figure.traces[0]
    assert [row[:3] for row in trace["z"][:2]] == [[-0.5, 0, 0], [0, 0, 1]]
    assert trace["z"][0][3] is None
    assert trace["customdata"][1][2] == ["lora: no", "no (r1)", "0.80 to 1.20 s, 0 to 500 Hz"]
    assert trace["customdata"][0][5] == ["lora: no", "yes (r2)", "0.00 to 0.20 s, 500 to 8000 Hz"]
    assert figure.layout["xaxis"]["tickvals"] == [1, 6]
    assert figure.layout["xaxis"]["ticktext"] == ["no", "yes"]
    texts = [(one["text"], one["x"]) for one in figure.layout["annotations"]]
    assert texts == [("lora", -0.5), ("→ no", 6), ("bitfit", -0.5)]
    assert isinstance(table, Table)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["lora", "", "1.00 (1)"],
        ["bitfit", "1.00 (1)", ""],
    ]


def parts_of(outcomes, title):
    _, sections = results(outcomes)
    (found,) = (one.parts for one in sections if one.title == title)
    return found


def test_explanations_are_computed_once_and_what_cannot_be_is_said(copy, tmp_path):
    folder = copy("run")
    found = [
        outcome("lora", 0.9, folder=folder),
        outcome("gone", 0.7, folder=tmp_path / "gone"),
    ]
    assert explained(found) == []  # nothing is stored yet
    assert HOW_TO_EXPLAIN in parts_of(found, "Plots")
    faults = store_explanations(found, device="cpu")
    assert [one.split(": ")[0] for one in faults] == [
        "no representations of gone",
        "no attributions of gone",
    ]
    names = [one.name for one in explained(found)]
    assert [one.name for one in parts_of(found, "What the methods look at")] == names
    assert HOW_TO_EXPLAIN not in parts_of(found, "Plots")
    assert names == ["cka-backbone", "attribution"]  # one recipe has nothing to be compared with
    before = read_attributions(folder)
    (folder / REPRESENTATIONS).write_bytes(b"damaged")
    (sentence, _) = explained(found)
    assert sentence.startswith("A figure is missing, because '")
    times = (folder / ATTRIBUTIONS).stat().st_mtime_ns
    store_explanations(found[:1], device="cpu")
    assert (folder / ATTRIBUTIONS).stat().st_mtime_ns == times
    assert [one.name for one in explained(found)] == names
    assert np.array_equal(read_attributions(folder).maps, before.maps)


def test_without_captum_nothing_is_computed(monkeypatch, copy):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    folder = copy("run")
    with pytest.raises(RunError, match=r"pip install 'ossicle\[explain\]'"):
        store_explanations([outcome("lora", 0.9, folder=folder)], device="cpu")
    assert not (folder / REPRESENTATIONS).exists()
