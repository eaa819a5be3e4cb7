"""Objects in notebooks: what they show, that all text is escaped, and figures as plotly's."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ossicle.html import TextTable, card
from ossicle.recipes.recipe import Recipe
from ossicle.reports import Figure, to_plotly
from ossicle.studies.plots import confusion_of

EVIL = "<script>alert(1)</script>&\"'\x00"


class Tags(HTMLParser):
    """Collects the tags and the text of a page, and checks that every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, _: object) -> None:
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def test_all_text_of_a_card_is_escaped() -> None:
    table = TextTable([EVIL], [[EVIL]], EVIL, right=0)
    page = Tags(card(EVIL, {EVIL: EVIL}, [table], [EVIL]))
    assert page.seen <= {
        "div",
        "p",
        "strong",
        "table",
        "caption",
        *("thead", "tbody", "tr", "th"),
    } | {"td"}
    assert page.text.count("<script>alert(1)</script>&\"'\N{REPLACEMENT CHARACTER}") == 7
    assert "\x00" not in page.text


def test_a_recipe_shows_a_row_for_each_placement() -> None:
    page = Tags(Recipe.parse("lora(rank=4, lr=0.01)@attn.q")._repr_html_())
    assert re.findall(r"rank=4|attn\.q|0\.01", page.text)[-3:] == ["rank=4", "attn.q", "0.01"]
    assert "only the head is trained" in Tags(Recipe()._repr_html_()).text


def test_a_confusion_matrix_has_fractions_of_each_true_class() -> None:
    figure = confusion_of(["no", "yes"], [[3, 1], [0, 0]])
    assert figure.traces[0]["z"] == [[0.75, 0.25], [None, None]]
    assert "4 decisions, 3 of them right" in figure.about


def test_a_figure_of_plotly_has_escaped_text_but_templates_as_they_are() -> None:
    figure = Figure(
        name="plot",
        title="<b>t</b>",
        traces=[
            {"type": "scatter", "name": "<i>", "x": [1, None], "y": ["a<br>b", "c"]},
            {
                "type": "scatter",
                "x": [1],
                "y": [2],
                "meta": {"role": "band"},
                "line": {"dash": "dot"},
            },
        ],
        layout={"height": 300, "xaxis": {"title": {"text": "a & b"}}},
        about="",
    )
    found = json.loads(to_plotly(figure).to_json())
    first, band = found["data"]
    assert (first["name"], first["y"][0], first["x"]) == ("&lt;i&gt;", "a&lt;br&gt;b", [1, None])
    assert band["line"] == {"width": 0, "dash": "dot"}
    assert found["layout"]["title"]["text"] == "&lt;b&gt;t&lt;/b&gt;"
    assert found["layout"]["xaxis"]["title"]["text"] == "a &amp; b"
    matrix = to_plotly(confusion_of(["no", "yes"], [[1, 0], [0, 1]])).to_dict()["data"][0]
    assert matrix["hovertemplate"].startswith("true class %{y}<br>")


@pytest.mark.thorough
def test_a_run_and_a_model_show_what_they_are(run_of_tones: Path) -> None:
    from ossicle import Trained
    from ossicle.training.result import read_result

    result, trained = read_result(run_of_tones), Trained.open(run_of_tones, device="cpu")
    assert result.test is not None
    shown = Tags(trained._repr_html_()).text
    of_run = Tags(result._repr_html_()).text
    low, high = result.test["intervals"]["macro_f1"]
    for text in (shown, of_run):
        assert f"{100 * result.test['macro_f1']:.1f} %" in text
        assert f"{100 * low:.1f} to {100 * high:.1f}" in text
    assert "high, low" in shown
    assert f"{result.parameters['trainable']:,} of" in of_run
    model = Tags(trained.model._repr_html_()).text
    lora = sum(
        p.numel() for key, p in trained.model.tensors().items() if not key.startswith("head/")
    )
    sums = re.findall(r"attn\.[qv]\s+[\d-]+\s+[\d,]+\s+([\d,]+)", model)
    assert sum(int(one.replace(",", "")) for one in sums) == lora
    assert "lora" in model


@pytest.fixture(scope="session")
def run_of_tones(tmp_path_factory: pytest.TempPathFactory, backbone: str, corpus: Path) -> Path:
    """Folder of a finished run."""
    from ossicle.training import TrainConfig, train

    folder = tmp_path_factory.mktemp("runs") / "run"
    train(
        TrainConfig(
            backbone=backbone, recipe="lora", data=str(corpus), epochs=1, batch_size=4, device="cpu"
        ),
        folder,
    )
    return folder
