"""Plots of outcomes, with values worked out by hand."""

import json

import pytest

from made import outcome
from ossicle.statistics.ranks import ranks
from ossicle.studies.plots.confusion import confusion
from ossicle.studies.plots.cost import peak_memory, train_time
from ossicle.studies.plots.curves import FIRST_LINES, curves
from ossicle.studies.plots.groups import for_each_panel, group
from ossicle.studies.plots.heat import data_maps, metric_map
from ossicle.studies.plots.parameters import MOST_EXPLAINED, parameters
from ossicle.studies.plots.ranks import critical_difference
from ossicle.studies.plots.standard import standard_figures
from ossicle.training.folder import LOG


def sized(recipe, value, count, **labels):
    return outcome(
        recipe, value, labels=labels, parameters={"trainable": float(count), "head": 10.0}
    )


def test_repeats_are_outcomes_with_equal_labels_but_for_seed_and_fold():
    found = group(
        [
            outcome("lora", 0.5, labels={"seed": 0, "fold": 1, "rank": 4}),
            outcome("lora", 0.5, labels={"seed": 1, "fold": 1, "rank": 4}),
            outcome("lora", 0.5, labels={"seed": 0, "rank": 8}),
            outcome("lora", labels={"seed": 1, "rank": 8}, state="failed"),
        ]
    )
    assert [(one.name, len(one.outcomes)) for one in found] == [
        ("lora, rank 4", 2),
        ("lora, rank 8", 1),
    ]


def test_the_metric_is_plotted_against_parameters_with_its_deviation_and_the_pareto_front():
    figure = parameters(
        [
            sized("large", 0.9, 1000),
            sized("small", 0.5, 10, seed=0),
            sized("small", 0.7, 10, seed=1),
            sized("beaten", 0.55, 100),
        ]
    )
    points, front = figure.traces
    assert points["text"] == ["small", "beaten", "large"]
    assert points["x"] == [10, 100, 1000]
    assert points["y"] == pytest.approx([60, 55, 90])
    assert points["error_y"]["array"] == [pytest.approx(200**0.5), None, None]
    assert (front["x"], front["y"]) == ([10, 1000], pytest.approx([60, 90]))
    assert points["customdata"][0][1:3] == [
        "macro-F1 60.0 ± 14.1 %, 2 runs",
        "10 trained parameters, 0 without the head",
    ]
    assert "means over 2 seeds (2 runs, fewer where runs are missing); bars" in figure.about
    assert figure.layout["xaxis"]["type"] == "log"


def test_lower_is_better_for_an_error_rate():
    eer = {"metric": "eer", "task": "verification"}
    small, large = {"trainable": 10.0}, {"trainable": 20.0}
    figure = parameters(
        [
            outcome("a", 0.2, parameters=small, **eer),
            outcome("b", 0.3, parameters=large, **eer),
            outcome("c", 0.1, parameters=large, **eer),
        ]
    )
    assert figure.traces[1]["y"] == [20, 10]


def test_a_recipe_without_trained_parameters_is_a_line_across():
    found = parameters([sized("lora", 0.9, 50), sized("linear", 0.8, 5), sized("mfcc", 0.7, 0)])
    across = found.traces[-1]
    assert (across["name"], across["x"], across["y"]) == ("mfcc", [5, 50], [70, 70])


def test_undefined_values_are_left_out_and_nothing_at_all_gives_no_figure():
    assert parameters([]) is None
    assert parameters([outcome("lora", None)]) is None
    assert train_time([outcome("lora", 0.5, state="failed")]) is None
    assert confusion([outcome("lora", 0.5)]) is None
    assert curves([outcome("lora", 0.5)], "shots", title="", axis="") is None
    assert metric_map([outcome("lora", 0.5)], "placement", "data", title="") is None
    assert peak_memory([outcome("lora", 0.5, peak_memory_mib=None)]) is None


def test_of_many_recipes_all_are_points_and_the_front_and_some_others_are_explained():
    count = 1200
    many = [sized(f"lora(rank={n})", n % 11 / 11, n) for n in range(1, count + 1)]
    figure = parameters(many)
    sizes = sum(len(trace["x"]) for trace in figure.traces if trace["mode"] != "lines")
    explained = figure.traces[0]
    front = figure.traces[1]
    assert sizes == count
    assert set(front["x"]) <= set(explained["x"])
    assert len(front["x"]) == 10
    assert len(explained["x"]) <= MOST_EXPLAINED


def test_a_curve_joins_the_means_of_a_recipe_with_a_band_of_one_deviation():
    figure = curves(
        [
            outcome("lora", 0.5, labels={"shots": 4, "seed": 0}),
            outcome("lora", 0.7, labels={"shots": 4, "seed": 1}),
            outcome("lora", 0.4, labels={"shots": 1, "seed": 0}),
            outcome("linear", 0.3, labels={"shots": 1, "seed": 0}),
        ],
        "shots",
        title="Few shots",
        axis="recordings of each class",
    )
    band, line, other = figure.traces
    assert (line["name"], line["x"], line["y"]) == ("lora", [1, 4], pytest.approx([40, 60]))
    low, high = 60 - 200**0.5, 60 + 200**0.5
    assert band["x"] == [1, 4, 4, 1]
    assert band["y"] == pytest.approx([40, high, low, 40])
    assert band["meta"] == {"series": 0, "role": "band"}
    assert (other["name"], other["meta"]) == ("linear", {"series": 1})


def test_lines_beyond_the_first_wait_in_the_legend():
    figure = curves(
        [outcome(f"recipe {n}", 0.5, labels={"shots": 1}) for n in range(30)],
        "shots",
        title="Few shots",
        axis="shots",
    )
    assert [one["visible"] for one in figure.traces] == [
        *[True] * FIRST_LINES,
        *["legendonly"] * (30 - FIRST_LINES),
    ]


def test_the_map_of_a_metric_has_the_mean_of_each_cell_and_gaps_for_missing_ones():
    figure = metric_map(
        [
            outcome("a", 0.5, labels={"placement": "ffn", "seed": 0}),
            outcome("a", 0.6, labels={"placement": "ffn", "seed": 1}),
            outcome("a", 0.9, labels={"placement": "attn", "data": "other"}),
        ],
        "placement",
        "data",
        title="Placements",
    )
    (trace,) = figure.traces
    assert (trace["y"], trace["x"]) == (["ffn", "attn"], ["demo", "other"])
    assert trace["z"] == [[pytest.approx(55), None], [None, pytest.approx(90)]]
    assert trace["text"] == [["55.0", ""], ["", "90.0"]]


def test_results_by_recipe_and_data_set_are_a_map_for_each_task():
    eer = {"metric": "eer", "task": "verification"}
    found = [
        outcome("a", 0.5),
        outcome("a", 0.6, labels={"data": "other"}),
        outcome("b", 0.7),
        outcome("a", 0.1, labels={"data": "voices"}, **eer),
    ]
    (figure,) = data_maps(found)  # the other task has one data set
    assert figure.traces[0]["z"] == [pytest.approx([50, 60]), [pytest.approx(70), None]]


def test_the_confusion_matrix_is_pooled_over_repeats_and_normalised_by_row():
    better = {"true": ["b", "a", "b"], "predicted": ["b", "a", "a"]}
    figure = confusion(
        [
            outcome("worse", 0.1, true=["a", "b"], predicted=["b", "b"]),
            outcome("better", 0.6, labels={"fold": 1}, **better),
            outcome("better", 0.7, labels={"fold": 2}, true=["b", "b"], predicted=["c", "b"]),
        ]
    )
    (trace,) = figure.traces
    assert figure.title == "Confusion matrix of better"
    assert trace["x"] == trace["y"] == ["a", "b", "c"]
    assert trace["z"] == [[1, 0, 0], [0.25, 0.5, 0.25], [None, None, None]]
    assert trace["customdata"][1] == ["1 of 4", "2 of 4", "1 of 4"]
    assert "pooled over 2 runs: 5 decisions, 3 of them right" in figure.about


def test_the_confusion_matrix_of_a_chosen_recipe():
    pair = {"true": ["a", "b"], "predicted": ["a", "b"]}
    found = [outcome("best", 0.9, **pair), outcome("chosen", 0.1, **pair)]
    assert confusion(found, "chosen").title == "Confusion matrix of chosen"
    assert confusion(found, "absent") is None


def test_tasks_without_classes_have_no_confusion_matrix():
    times = {"true": ["yes:0.1-0.2"], "predicted": [""], "metric": "frame_f1", "task": "events"}
    assert confusion([outcome("lora", 0.5, **times)]) is None
    tags = {"true": ["a|b", "a"], "predicted": ["a", "a"], "metric": "map", "task": "tagging"}
    assert confusion([outcome("lora", 0.5, **tags)]) is None


def test_bars_show_mean_time_and_memory_and_their_deviation():
    found = [
        outcome("lora", 0.5, labels={"seed": 0}, train_seconds=2.0, peak_memory_mib=None),
        outcome("lora", 0.5, labels={"seed": 1}, train_seconds=4.0, peak_memory_mib=100.0),
        outcome("linear", 0.5, train_seconds=1.0, peak_memory_mib=50.0),
    ]
    (time,), (memory,) = train_time(found).traces, peak_memory(found).traces
    assert (time["y"], time["x"]) == (["lora", "linear"], [3, 1])
    assert time["error_x"]["array"] == [pytest.approx(2**0.5), 0]
    assert time["customdata"][0] == ["lora", "3.0 ± 1.4 s", "2 runs"]
    assert memory["x"] == [100, 50]


def test_each_task_data_set_and_backbone_has_a_figure_of_its_own():
    found = [outcome("lora", 0.5), outcome("lora", 0.6, labels={"data": "esc10"})]
    figures = for_each_panel(found, train_time)
    assert [one.name for one in figures] == ["train-time-1", "train-time-2"]
    assert [one.title for one in figures] == [
        "Time of the training: demo",
        "Time of the training: esc10",
    ]
    (only,) = for_each_panel(found[:1], train_time)
    assert (only.name, only.title) == ("train-time", "Time of the training")


def test_a_figure_whose_files_are_damaged_is_a_sentence(tmp_path):
    (tmp_path / LOG).write_text("damaged")
    found = [outcome("a", 0.5, folder=tmp_path), outcome("b", 0.6, labels={"data": "other"})]
    parts = standard_figures(found)
    (sentence,) = [one for one in parts if isinstance(one, str)]
    assert sentence.startswith("demo: A figure is missing, because ")
    assert {one.name for one in parts if not isinstance(one, str)} == {
        f"{name}-{number}"
        for name in ("parameters", "train-time", "peak-memory")
        for number in (1, 2)
    }


def test_a_study_shows_the_confusions_of_its_best_and_of_its_first_recipe():
    pair = {"true": ["a", "b"], "predicted": ["a", "b"]}
    found = [outcome("first", 0.1, **pair), outcome("best", 0.9, **pair)]
    titles = [one.title for one in standard_figures(found)]
    assert titles[1:3] == ["Confusion matrix of best", "Confusion matrix of first"]
    titles = [one.title for one in standard_figures(found[:1])]
    assert titles.count("Confusion matrix of first") == 1


def test_the_critical_difference_diagram_has_average_ranks_and_cliques():
    values = [[0.9, 0.8, 0.1], [0.8, 0.9, 0.2], [0.9, 0.7, 0.1], [0.7, 0.6, 0.2]]
    figure = critical_difference(ranks(values, ["a", "b", "c"]))
    points, first, second = figure.traces
    assert (points["y"], points["x"]) == (["a", "b", "c"], [1.25, 1.75, 3.0])
    assert (first["y"], first["x"]) == (["a", "b"], [3.3, 3.3])
    assert (second["y"], second["x"]) == (["b", "c"], [3.6, 3.6])
    assert "over 4 data sets" in figure.about
    assert "difference of 1.66" in figure.about  # 2.343 sqrt(3 4 / (6 4))


def test_labels_are_never_in_a_template_and_names_in_a_plot_are_short():
    name = "<b>%{x}</b>\n" + "lora(rank=4)+" * 30
    found = [outcome(name, 0.5, labels={"shots": 1}), outcome(name + "b", 0.5, labels={"shots": 1})]
    made = [parameters(found), train_time(found), curves(found, "shots", title="", axis="")]
    for figure in made:
        text = json.dumps([list(figure.traces), figure.layout], allow_nan=False)
        assert "lora(rank=4)" in text
        for trace in figure.traces:
            assert "lora" not in trace.get("hovertemplate", "")
    assert made[0].traces[0]["text"][0] == "<b>%{x}</b>…ora(rank=4)+"


def test_a_point_has_the_metric_of_the_tables_of_the_recordings_of_all_folds_together():
    folds = [
        outcome("a", 1 / 3, labels={"seed": 0, "fold": 1}, true=["x", "y"], predicted=["x", "x"]),
        outcome("a", 1.0, labels={"seed": 0, "fold": 2}, true=["y", "y"], predicted=["y", "y"]),
    ]
    figure = parameters(folds)
    # x: 1 of 1, with precision 1 / 2; y: 2 of 3, with precision 1
    assert figure.traces[0]["y"] == [pytest.approx(100 * (2 / 3 + 4 / 5) / 2)]
    assert figure.traces[0]["error_y"]["array"] == [pytest.approx(100 * (2 / 3) / 2**0.5)]
    assert "Values are of the recordings of 2 folds together (2 runs)" in figure.about
