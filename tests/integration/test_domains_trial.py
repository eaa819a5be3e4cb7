"""Trials of the study of domains: two stages, each tested on both domains."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from here import Here
from ossicle.adapters.folder import TENSORS
from ossicle.progress import no_progress
from ossicle.studies import Domains, Grid, report_study, run_study
from ossicle.studies.adaptation.plan import ALONE, PLAIN, TRAINING
from ossicle.training.config import TrainConfig
from ossicle.training.folder import METRICS
from ossicle.training.trained import Trained
from ossicle.trials.engine import Job
from ossicle.trials.kept import Kept
from ossicle.trials.naming import Naming
from ossicle.trials.outcome import Outcome
from ossicle.trials.run_trial import run_trial
from ossicle.trials.runners.domains import CURVE, DOMAINS, UNTRAINED
from ossicle.trials.trial import Trial
from tones import write_corpus, write_metadata

Settings = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second corpus, of longer recordings."""
    root = tmp_path_factory.mktemp("data") / "others"
    write_corpus(root, seconds=0.4)
    return root


@pytest.fixture(scope="module")
def grid(settings: Settings, corpus: Path, other: Path) -> Grid:
    data = (f"audiofolder:{corpus}", f"audiofolder:{other}")
    config = settings(recipe="", epochs=1, track="none")
    return Grid(config=config, recipes=("lora",), data=data)


@pytest.fixture(scope="module")
def done(grid: Grid, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished study."""
    folder = tmp_path_factory.mktemp("studies") / "done"
    found = run_study(Domains(keeps="none"), grid, folder, engine=Here(), report=False)
    assert [(one.state, one.reason) for one in found.outcomes] == [("finished", None)] * 5
    return folder


@pytest.fixture
def outcomes(done: Path) -> dict[tuple[str, str], Outcome]:
    """Outcomes by what they were trained on and how."""
    found = report_study(done, write=False).outcomes
    return {
        (str(one.trial.labels["domains"]), str(one.trial.labels[TRAINING])): one for one in found
    }


@pytest.mark.thorough
def test_every_model_is_measured_on_every_domain(
    outcomes: dict[tuple[str, str], Outcome], grid: Grid
) -> None:
    assert list(outcomes) == [
        ("tones", ALONE),
        ("others", ALONE),
        ("tones + others", "joint"),
        ("tones → others", PLAIN),
        ("tones → others", "freeze all"),
    ]
    for one in outcomes.values():
        assert one.measured is not None
        assert list(one.measured.domains) == ["tones", "others"]
        for name, spec in zip(("tones", "others"), grid.data, strict=True):
            found = one.measured.domains[name]
            said = Trained.open(one.folder, device="cpu").evaluate(spec, side="test")
            assert found.metrics == {key: said[key] for key in found.metrics}
            assert list(found.predicted) == [row["predicted"] for row in said["recordings"]]
            assert found.rows.keys == tuple(row["key"] for row in said["recordings"])


@pytest.mark.thorough
def test_the_curve_begins_with_the_first_stage_and_ends_with_the_second(
    outcomes: dict[tuple[str, str], Outcome],
) -> None:
    before, after = outcomes["tones", ALONE].measured, outcomes["tones → others", PLAIN].measured
    assert before is not None
    assert after is not None
    curve = after.facts[CURVE]
    assert [row["share"] for row in curve] == [n / 10 for n in range(11)]
    for name in ("tones", "others"):
        assert curve[0][name] == before.domains[name].metrics
        assert curve[-1][name] == after.domains[name].metrics
    for key, one in outcomes.items():
        assert one.measured is not None
        assert (one.measured.facts[CURVE] is not None) == (key[1] == PLAIN)
        assert (one.measured.facts[UNTRAINED] is not None) == (one.trial.after is None)
    frozen = outcomes["tones → others", "freeze all"]
    assert frozen.measured is not None
    assert frozen.measured.parameters["trainable"] == frozen.measured.parameters["head"]


@pytest.mark.thorough
def test_a_trial_that_was_killed_before_its_tests_is_tested_without_training_again(
    done: Path, outcomes: dict[tuple[str, str], Outcome], grid: Grid, tmp_path: Path
) -> None:
    shutil.copytree(done, tmp_path / "study")
    name = outcomes["tones → others", PLAIN].name
    folder = tmp_path / "study" / "trials" / name
    expected, trained = (folder / DOMAINS).read_bytes(), (folder / METRICS).stat().st_mtime_ns
    (folder / DOMAINS).unlink()
    states = [one.state for one in report_study(tmp_path / "study", write=False).outcomes]
    assert states.count("interrupted") == 1
    engine = Here()
    run_study(Domains(keeps="none"), grid, tmp_path / "study", engine=engine, report=False)
    assert [job.name for job in engine.computed] == [name]
    assert (folder / DOMAINS).read_bytes() == expected
    assert (folder / METRICS).stat().st_mtime_ns == trained


@pytest.mark.thorough
def test_tests_of_another_adapter_do_not_count(
    done: Path, outcomes: dict[tuple[str, str], Outcome], tmp_path: Path
) -> None:
    shutil.copytree(done, tmp_path / "study")
    first, second = (
        tmp_path / "study" / "trials" / outcomes[key].name
        for key in (("tones", ALONE), ("others", ALONE))
    )
    shutil.copy(second / TENSORS, first / TENSORS)
    found = report_study(tmp_path / "study", write=False).outcomes
    assert [one.state for one in found].count("finished") == 4


def test_names_depend_on_the_recordings_of_every_domain_and_not_on_their_place(
    grid: Grid, other: Path, tmp_path: Path
) -> None:
    naming = Naming()

    def names(place: Path) -> list[str]:
        found = Domains(keeps="none").trials(
            replace(grid, data=(grid.data[0], f"audiofolder:{place}"))
        )
        return [naming.name(one) for one in found]

    shutil.copytree(other, tmp_path / "a" / "others")
    shutil.copytree(other, tmp_path / "b" / "others")
    table = tmp_path / "b" / "others" / "metadata.csv"
    text = table.read_text()
    table.write_text(text.replace("cleo-low-0.wav,low", "cleo-low-0.wav,high"))
    before = names(other)
    assert names(tmp_path / "a" / "others") == before
    assert not set(names(tmp_path / "b" / "others")) & set(before)
    assert len(set(before)) == len(before)


@pytest.mark.thorough
def test_test_recordings_that_another_domain_trains_on_are_refused(
    grid: Grid, corpus: Path, tmp_path: Path
) -> None:
    swapped = tmp_path / "swapped"
    shutil.copytree(corpus, swapped)
    sides = {"anna": "test", "ben": "valid", "cleo": "train"}
    files = sorted(swapped.glob("*.wav"))
    write_metadata(
        swapped,
        [
            (one.name, *reversed(one.stem.split("-")[:2]), sides[one.stem[:-6].split("-")[0]])
            for one in files
        ],
    )
    data = {"tones": grid.data[0], "swapped": f"audiofolder:{swapped}"}
    config = replace(grid.config, recipe="linear", data=data["tones"])
    trial = Trial(config=config, labels={}, runner="domains", settings=data)
    job = Job(name="a", folder=tmp_path / "a", trial=trial)
    answer = run_trial(json.loads(json.dumps(job.to_dict())), Kept(), no_progress)
    assert answer["what"] == "failed"
    assert f"6 of the 6 test recordings of '{data['swapped']}' trained the adapter" in str(
        answer["reason"]
    )
