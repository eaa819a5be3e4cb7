"""What the study of domains trains, and which questions it refuses."""

from typing import Any

import pytest

from ossicle.errors import LabelError, OssicleError, RunError
from ossicle.studies import Domains, Grid
from ossicle.studies.adaptation.data import domains_of, names_of
from ossicle.studies.adaptation.plan import Way, keeps_of, orders_of, ways_of
from ossicle.training.config import TrainConfig
from ossicle.trials.trial import Trial

CONFIG = TrainConfig(backbone="tiny-hubert", recipe="", data="demo")
THREE = "calm,excited,tired"


def trials(
    recipe: str = "lora + bottleneck", seeds: tuple[int, ...] = (0,), **options: Any
) -> list[Trial]:
    given = {"domains": "calm,excited", "by": "manner", "keeps": "none", **options}
    return Domains(**given).trials(Grid(config=CONFIG, recipes=(recipe,), seeds=seeds))


def shown(one: Trial) -> tuple[Any, ...]:
    return one.labels["domains"], one.labels["training"]


def test_each_domain_is_trained_alone_and_both_together_and_in_two_stages() -> None:
    found = trials(keeps="ewc(strength=3); replay")
    assert [shown(one) for one in found] == [
        ("calm", "alone"),
        ("excited", "alone"),
        ("calm + excited", "joint"),
        ("calm → excited", "plain"),
        ("calm → excited", "freeze lora"),
        ("calm → excited", "freeze bottleneck"),
        ("calm → excited", "freeze all"),
        ("calm → excited", "keep ewc(strength=3)"),
        ("calm → excited", "keep replay"),
    ]
    calm, excited, joint, *stages = found
    assert calm.config.data == "demo?where=manner=calm"
    assert joint.config.data == "demo?where=manner=calm + demo?where=manner=excited"
    assert {one.config.recipe for one in (calm, excited, joint)} == {"lora + bottleneck"}
    assert all(one.after is calm for one in stages)
    assert {one.config.data for one in stages} == {excited.config.data}
    assert {one.config.recipe for one in stages} == {"linear"}
    assert [one.config.freeze for one in stages] == [
        None,
        "lora",
        "bottleneck",
        "lora,bottleneck",
        None,
        None,
    ]
    assert [one.config.keep for one in stages][-2:] == ["ewc(strength=3)", "replay"]
    assert {tuple(one.settings) for one in found} == {("calm", "excited")}
    assert {one.runner for one in found} == {"domains"}


def test_fewer_than_five_seeds_are_noticed(caplog: pytest.LogCaptureFixture) -> None:
    trials(recipe="linear", seeds=(0, 1, 2, 3))
    assert "4 seeds, fewer than 5" in caplog.text
    caplog.clear()
    trials(recipe="linear", seeds=(0, 1, 2, 3, 4))
    assert not caplog.text


def test_a_second_stage_starts_from_the_first_with_the_same_seed() -> None:
    found = trials(recipe="lora", seeds=(3, 1))
    pairs = [(one.config.seed, one.after.config.seed) for one in found if one.after is not None]
    assert pairs == [(3, 3)] * 2 + [(1, 1)] * 2
    assert [one.labels["seed"] for one in found] == [3] * 5 + [1] * 5


def test_orders_that_begin_alike_share_their_first_stages() -> None:
    found = trials(recipe="linear", domains=THREE, orders="calm,excited,tired; calm,tired,excited")
    chains = [shown(one)[0] for one in found if one.after is not None]
    assert chains == [
        "calm → excited",
        "calm → excited → tired",
        "calm → tired",
        "calm → tired → excited",
    ]
    both = trials(recipe="linear", domains=THREE, orders="2")
    assert [shown(one) for one in both] == [shown(one) for one in found]
    every = trials(recipe="linear", domains=THREE, orders="all")
    ends = [one for one in every if one.depth == 2]
    assert len(ends) == 6
    assert len([one for one in every if one.depth == 1]) == 6
    assert len({id(one.after.after) for one in ends if one.after is not None}) == 3


def test_orders_are_given_first_or_written_out() -> None:
    assert orders_of("1", ("b", "a")) == [("b", "a")]
    assert orders_of("all", ("b", "a")) == [("b", "a"), ("a", "b")]
    assert orders_of(" a , b ;", ("b", "a")) == [("a", "b")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3", "--orders is 3; 2 domains have from 1 to 2"),
        ("0", "--orders is 0; 2 domains have from 1 to 2"),
        ("a,c", "--orders has 'a,c'; an order has each of the domains once: a, b"),
        ("a,b; a,b", "a → b is given twice"),
        ("", "none were given"),
    ],
)
def test_orders_of_other_domains_are_refused(text: str, message: str) -> None:
    with pytest.raises(RunError, match=message):
        orders_of(text, ("a", "b"))


def frozen(recipe: str, freeze: str) -> list[str]:
    return [one.changes["freeze"] for one in ways_of(recipe, freeze, []) if one.changes]


def test_all_sets_of_modules_or_each_alone_or_none_stay_frozen() -> None:
    three = "lora@attn.q + bottleneck + lora@attn.v + weighted-sum"
    pairs = ["lora,bottleneck", "lora,weighted-sum", "bottleneck,weighted-sum"]
    whole = "lora,bottleneck,weighted-sum"
    assert frozen(three, "all") == ["lora", "bottleneck", "weighted-sum", *pairs, whole]
    assert frozen(three, "each") == ["lora", "bottleneck", "weighted-sum", whole]
    assert frozen(three, "none") == []
    assert frozen(three, "lora; @ffn,lora") == ["lora", "@ffn,lora"]
    assert frozen("lora", "each") == frozen("lora", "all") == ["lora"]
    assert frozen("linear", "all") == frozen("linear", "each") == []
    assert ways_of("linear", "all", []) == [Way("plain")]
    names = [one.name for one in ways_of("lora + bottleneck", "all", [])]
    assert names == ["plain", "freeze lora", "freeze bottleneck", "freeze all"]


def test_too_many_sets_of_modules_are_refused_with_what_to_do() -> None:
    many = "lora + bottleneck + weighted-sum + gate + bias + norm"
    with pytest.raises(RunError, match=r"has 6 modules, which are 63 sets to freeze\."):
        ways_of(many, "all", [])
    assert len(ways_of(many, "each", [])) == 1 + 6 + 1


def test_a_way_to_keep_must_exist_and_be_given_once() -> None:
    assert [one.name for one in keeps_of("ewc; lwf")] == ["keep ewc", "keep lwf"]
    assert len(keeps_of("all")) == 7
    assert keeps_of("none") == []
    with pytest.raises(RunError, match="ewcc"):
        keeps_of("ewcc")
    with pytest.raises(RunError, match="ewc is given twice"):
        keeps_of("ewc; ewc")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folds": "3"}, "tests on the split of each domain; leave --folds out"),
        ({"baselines": ("mfcc",)}, "leave --baseline out"),
        ({"data": ("demo", "demo?label=voice")}, "--domains divides one --data by a column"),
        (
            {"config": TrainConfig(backbone="tiny-hubert", recipe="", data="demo", parent="run")},
            r"trains its first stages itself.*leave --from out",
        ),
    ],
)
def test_what_the_study_does_not_have_is_refused(changes: dict[str, Any], message: str) -> None:
    grid = Grid(**{"config": CONFIG, "recipes": ("lora",), **changes})
    with pytest.raises(RunError, match=message):
        Domains(domains="calm,excited", by="manner").trials(grid)


def test_two_domains_are_needed_that_exist_and_differ() -> None:
    for options, message in (
        ({"domains": "calm"}, "needs two or more domains: repeat --data"),
        ({"domains": "calm,calm"}, "calm is given twice"),
        ({"domains": "calm,exited"}, "exited"),
        ({"domains": "calm,excited", "by": "maner"}, "no column 'maner'"),
    ):
        with pytest.raises(OssicleError, match=message):
            trials(**options)


def test_domains_are_named_by_reader_or_by_what_tells_them_apart(tmp_path: Any) -> None:
    assert names_of(["demo", "demo?where=manner=calm"]) == ["demo", "manner=calm"]
    several = "demo?where=speaker=andy,manner=calm,speaker=anika,speaker=annie"
    assert names_of(["demo", several])[1] == "speaker=andy and 2 more manner=calm"
    tables = [tmp_path / "first.csv", tmp_path / "second.csv"]
    for table in tables:
        table.write_text("path,label\n")
    assert names_of([str(one) for one in tables]) == ["first", "second"]
    assert names_of([str(tables[0]), "demo"]) == ["manifest", "demo"]
    assert names_of(["demo?where=manner=calm + demo?where=manner=tired", "demo"]) == [
        "demo + demo",
        "demo",
    ]


def test_a_domain_with_the_arrow_of_orders_in_its_name_is_refused(tmp_path: Any) -> None:
    table = tmp_path / "table.csv"
    rows = [
        f"{name}.wav,{label},{domain}"
        for name, label, domain in (
            ("a", "x", "p → q"),
            ("b", "y", "p → q"),
            ("c", "x", "r"),
            ("d", "y", "r"),
        )
    ]
    table.write_text("\n".join(["path,label,domain", *rows]), encoding="utf-8")
    for name in "abcd":
        (tmp_path / f"{name}.wav").touch()
    grid = Grid(config=CONFIG, recipes=("lora",), data=(str(table),))
    with pytest.raises(RunError, match="the domain 'p → q' has an arrow between spaces"):
        Domains(domains="p → q,r").trials(grid)


def two(*specs: str, **options: Any) -> dict[str, str]:
    return domains_of(Domains(**options), Grid(config=CONFIG, recipes=("lora",), data=specs))


def test_labels_that_not_all_domains_have_are_listed_or_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    some = "demo?where=manner=calm,label=stop,label=open,label=close"
    other = "demo?where=manner=tired,label=stop,label=open,label=left"
    with pytest.raises(LabelError, match=r"manner=calm.*: close; manner=tired.*: left\. Give"):
        two(some, other)
    found = two(some, other, common_labels=True)
    assert list(found.values()) == [
        "demo?where=manner=calm,label=open,label=stop",
        "demo?where=manner=tired,label=open,label=stop",
    ]
    assert "left out" in caplog.text
    assert "close" in caplog.text


def test_domains_with_fewer_than_two_labels_in_common_are_refused() -> None:
    one = "demo?where=label=stop,label=open"
    with pytest.raises(LabelError, match="have 1 label in common, and training needs two"):
        two(one, "demo?where=label=stop,label=close", common_labels=True)
    with pytest.raises(LabelError, match="have no labels in common"):
        two(one, "demo?where=label=left,label=close", common_labels=True)


def test_transcripts_need_no_common_labels() -> None:
    specs = [f"demo?label=transcript&where=manner={manner}" for manner in ("calm", "tired")]
    assert list(two(*specs).values()) == specs
