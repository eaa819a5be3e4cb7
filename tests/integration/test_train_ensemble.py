"""Members are trained one after the other, and what is finished survives what stops the rest."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ossicle.adapters.folder import TENSORS
from ossicle.errors import AdapterFileError, BudgetError, OssicleError, RunError
from ossicle.training import Trained, train_ensemble
from ossicle.training.config import TrainConfig
from ossicle.training.ensemble_folder import PLAN, EnsembleFolder
from ossicle.training.folder import METRICS
from ossicle.training.result import read_result
from ossicle.training.train_ensemble import plan_ensemble

Configure = Callable[..., TrainConfig]
RECIPES = ["lora", "lora", "bias"]


class Stopped(Exception):
    """Raised to end a command early."""


def stop_in(member: int) -> Callable[..., None]:
    """Return a progress that stops in the training of the member of a number, from 1."""
    begun = 0

    def progress(stage: str, done: int, total: int, **facts: float) -> None:  # noqa: ARG001
        nonlocal begun
        begun += stage == "training" and done == 1
        if begun == member:
            raise Stopped

    return progress


def test_members_get_consecutive_seeds_and_names(settings: Configure) -> None:
    plan = plan_ensemble(settings(seed=7), ["lora(rank=2)", "bias", "lora(rank=2)", "lora(rank=1)"])
    seeds = {name: config.seed for name, config in plan.configs.items()}
    assert seeds == {"lora-rank=2": 7, "bias": 8, "lora-rank=2-2": 9, "lora-rank=1": 10}


def test_each_member_gets_its_part_of_the_budget(settings: Configure) -> None:
    plan = plan_ensemble(settings(), ["lora", "bottleneck", "lora"], budget=6001)
    assert plan.counts.keys() == {"lora", "bottleneck", "lora-2"}
    assert all(1000 < count <= 2000 for count in plan.counts.values())
    assert plan.counts["lora"] == plan.counts["lora-2"]
    assert plan.configs["lora-2"].seed == 2


@pytest.mark.parametrize(
    ("recipes", "changes", "error", "match"),
    [
        (["lora"], {}, RunError, "an ensemble needs two or more members"),
        (["lora", "lroa"], {}, OssicleError, "Did you mean 'lora'?"),
        (["lora", "lora@attn.qq"], {}, OssicleError, "no site 'attn.qq'"),
        (["lora", "lora"], {"vote": "softt"}, RunError, "no vote 'softt'"),
        (["lora", "lora"], {"budget": 10}, BudgetError, "cannot train as few as 5 parameters"),
        (["lora", "bias"], {"budget": 100_000}, BudgetError, "'bias' has no size"),
        (["lora", "lora"], {"vote": "rover"}, RunError, "'rover' is not possible for the task"),
    ],
)
def test_nothing_is_trained_if_something_is_wrong(
    settings: Configure,
    tmp_path: Path,
    recipes: list[str],
    changes: dict[str, object],
    error: type[OssicleError],
    match: str,
) -> None:
    with pytest.raises(error, match=match.replace("?", r"\?")):
        train_ensemble(settings(epochs=1), recipes, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_what_is_wrong_for_all_members_leaves_no_folder(
    settings: Configure, tmp_path: Path
) -> None:
    with pytest.raises(OssicleError, match="no head 'mena'"):
        train_ensemble(settings(head="mena"), RECIPES, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_command_that_was_stopped_continues_with_the_member_at_work(
    settings: Configure, tmp_path: Path
) -> None:
    out, config = tmp_path / "out", settings(epochs=1)

    def run(**options: object) -> EnsembleFolder:
        return train_ensemble(config, RECIPES, out, vote="majority", **options)

    with pytest.raises(Stopped):
        run(progress=stop_in(2))
    with pytest.raises(AdapterFileError, match="are not all trained; continue with `ossicle train"):
        Trained.open(out, device="cpu")
    with pytest.raises(RunError, match="has an ensemble in it; choose another folder, or continue"):
        run()
    first = out / "members" / "lora"
    finished = (first / TENSORS).stat().st_mtime_ns, (first / METRICS).stat().st_mtime_ns
    with pytest.raises(RunError, match=r"has other settings \(see plan\.json\)"):
        train_ensemble(config, ["lora", "bias"], out, resume=True)
    made = run(resume=True)
    assert [one.name for one in made.members] == ["lora", "lora-2", "bias"]
    assert [read_result(one.folder).seed for one in made.members] == [0, 1, 2]
    assert ((first / TENSORS).stat().st_mtime_ns, (first / METRICS).stat().st_mtime_ns) == finished
    assert run(resume=True) == made
    assert Trained.open(out, device="cpu").evaluate(config.data)["count"] == 6


@pytest.mark.thorough
def test_a_member_that_fails_leaves_the_others(
    settings: Configure, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    with pytest.raises(RunError, match="1 of 3 members failed") as told:
        train_ensemble(
            settings(epochs=1, clip=0, batch_size=1), ["bias", "lora(lr=1000)", "norm"], out
        )
    assert "the first, 'lora-lr=1000.0', because: the loss is nan at step" in str(told.value)
    assert f"ossicle ensemble {out / 'members/bias'} {out / 'members/norm'} --out" in str(
        told.value
    )
    assert "Member 'lora-lr=1000.0' has failed" in caplog.text
    assert json.loads((out / PLAN).read_text())["vote"] == "soft"
    for name in ("bias", "norm"):
        assert read_result(out / "members" / name).test is not None
