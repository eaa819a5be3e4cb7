"""Differentiable strategies as whole searches: the answer is trained from scratch and continued."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ossicle.recipes.recipe import Recipe
from ossicle.training.config import TrainConfig
from ossicle.training.folder import read_config
from ossicle.training.result import read_result
from ossicle.trials.kept import Kept
from ossicle.trials.runners.search import RUNNER
from ossicle.trials.trial import Trial
from tones import write_corpus


@pytest.mark.thorough
@pytest.mark.parametrize(
    "strategy",
    [
        "darts",
        "gdas",
        "gumbel-darts",
        "fair-darts",
        "s3delta",
        "darts(mixture=softmax,order=plain)",
    ],
)
def test_a_differentiable_search_ends_with_an_answer_that_is_also_continued(
    settings: Callable[..., TrainConfig],
    tmp_path: Path,
    strategy: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_corpus(tmp_path / "tones", takes=4)
    config = settings(data=f"audiofolder:{tmp_path / 'tones'}", recipe="", epochs=1, track="none")
    chosen = {"strategy": strategy, "budget": 1200, "candidates": "lora,bias", "trials": 2}
    RUNNER.run(
        Trial(config=config, labels={}, runner="search", settings=chosen),
        tmp_path / "search",
        Kept(),
        lambda *_, **__: None,
    )
    found = RUNNER.read(tmp_path / "search")
    assert found is not None
    facts = found.facts
    # 4 recordings in a half: a batch of each in an epoch, of which there are 2
    assert (facts["cost_epochs"], facts["cost_steps"], facts["trainings"]) == (2, 4, 1)
    assert [len(epoch["0"]) for epoch in facts["gates"]] == [2, 2]
    assert facts["failed"] == []
    names = {one.method.name for one in Recipe.parse(facts["recipe"]).placements}
    assert names == set(facts["choice"].values()) <= {"lora", "bias"}
    continued = facts["continued"]
    folder = tmp_path / "search" / "trials" / continued["trial"]
    assert read_config(folder).prune == "argmax"
    kept = Recipe.parse(read_result(folder).expression).placements
    assert {one.method.name for one in kept} == names
    assert continued["metrics"].keys() == found.metrics.keys()
    assert "Not tested" not in caplog.text, "a search reads no test recordings"
