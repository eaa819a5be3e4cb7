"""The part of a model card that the hub reads: YAML between two lines of dashes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

LIBRARY: Final = "ossicle"
TAGS: Final = ("ossicle", "audio", "adapter")


@dataclass(frozen=True, kw_only=True)
class TestScore:
    """A metric on test recordings.

    Attributes:
        key: Its name in `metrics.json`, such as `macro_f1`.
        label: Its name in the literature.
        value: Its value; from 0 to 1 where it is written in percent.
        interval: Bounds of its confidence interval; None: there are none.
        about: What the interval is over: level, unit and number of units.
    """

    key: str
    label: str
    value: float
    interval: tuple[float, float] | None
    about: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What the hub is told of a run.

    Attributes:
        title: Name of the model.
        task: Name of its task.
        pipeline: The hub's name of the task; None: it has none.
        base: Id of the backbone on the hub; None: it is not there, or not known to be.
        data: What it was tested on, by a short name and as its data string.
        scores: Test scores.
        licence: Id of the licence that its owner gives it; None: not stated.
    """

    title: str
    task: str
    pipeline: str | None
    base: str | None
    data: tuple[str, str] | None
    scores: Sequence[TestScore]
    licence: str | None = None


def header(facts: CardFacts) -> str:
    """Return the metadata of a card with its lines of dashes, in the hub's `model-index` form."""
    from huggingface_hub import EvalResult, ModelCardData

    related = {} if facts.base is None else {"base_model_relation": "adapter"}
    results = [
        EvalResult(
            task_type=facts.pipeline or facts.task,
            task_name=facts.task,
            dataset_type=facts.data[0],
            dataset_name=facts.data[1],
            dataset_split="test",
            metric_type=one.key,
            metric_name=one.label,
            metric_value=one.value,
            metric_args=None
            if one.interval is None
            else {"interval": [*one.interval], **one.about},
        )
        for one in facts.scores
        if facts.data is not None
    ]
    data = ModelCardData(
        model_name=facts.title,
        library_name=LIBRARY,
        pipeline_tag=facts.pipeline,
        base_model=facts.base,
        license=facts.licence,
        tags=[*TAGS, facts.task],
        metrics=[one.key for one in facts.scores] or None,
        eval_results=results or None,
        **related,  # type: ignore[arg-type]  # what the class has no argument for
    )
    return f"---\n{data.to_yaml()}\n---\n"
