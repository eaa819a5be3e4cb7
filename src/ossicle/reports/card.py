"""A model card from the folder of a run or an ensemble: the README.md of its page on the hub.

All in it is read from the folder: nothing is measured or guessed. What is not known is said to be
unknown.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ossicle.adapters.folder import AdapterFolder, read_folder
from ossicle.backbones.licence import licence_of
from ossicle.errors import listing
from ossicle.hub.card import CardFacts, TestScore, header
from ossicle.tasks import TASKS, Task
from ossicle.training.ensemble_folder import EnsembleFolder, is_ensemble, members_of, read_ensemble
from ossicle.training.folder import METRICS, SPLIT, places_of, read_json
from ossicle.training.result import RunResult, read_result
from ossicle.training.scrubber import Scrubber, Source, hub_id, shared_backbone, sources_of

LEVEL: Final = 0.95
UNKNOWN: Final = "unknown"
MOST_LABELS: Final = 100


def write_card(
    run: Path, title: str, *, base: str | None = None, licence: str | None = None
) -> str:
    """Return the model card of a run or ensemble.

    Args:
        run: Its folder.
        title: Its name on the hub, `USER/NAME`.
        base: Name of its backbone for others, if it is a folder here.
        licence: Id of the licence that its owner gives it; None: not stated.

    Raises:
        OssicleError: the folder is damaged.
    """
    members = [_Member(one.folder, base) for one in members_of(run)]
    ensemble = read_ensemble(run) if is_ensemble(run) else None
    first = members[0]
    result = None if ensemble else first.result
    facts = CardFacts(
        title=title,
        task=first.task_name,
        pipeline=None if first.task is None else first.task.hub_task,
        base=first.hub_id,
        data=None if result is None else (first.sources[0].reader, result.data),
        scores=_scores(result, first.task),
        licence=licence,
    )
    parts = [
        f"# {title}",
        _what(members, ensemble),
        _facts_table(members, ensemble),
        _use(title, first.task),
        _data(members),
        _results(result, ensemble, first.task),
        _limits(title, first, result),
        _licences(members, licence),
    ]
    return header(facts) + "\n" + "\n\n".join(part for part in parts if part) + "\n"


class _Member:
    """What the card says of a run, without the folders of this machine."""

    def __init__(self, run: Path, base: str | None) -> None:
        places, scrub = places_of(run), Scrubber.of(run, base)
        opened: AdapterFolder = read_folder(run)
        own = opened.facts["backbone"]["name"]
        self.facts: dict[str, Any] = scrub(opened.facts)
        self.num_bytes = opened.num_bytes
        self.backbone = shared_backbone(own, base, places)
        self.hub_id = hub_id(self.backbone)
        self.licence = licence_of(own, places)
        self.task_name = str(self.facts["task"].get("name", UNKNOWN))
        self.task = TASKS.get(self.task_name)
        self.result: RunResult | None = None
        self.sources: list[Source] = []
        if (run / METRICS).is_file():
            found = read_result(run)
            self.sources = sources_of(found.data, places)
            self.result = RunResult.from_dict(scrub(found.to_dict()))
        self.sizes = _sizes(run)

    @property
    def labels(self) -> list[str]:
        """What its outputs stand for; none if its task has no list of them."""
        lists = (value for value in self.facts["task"].values() if isinstance(value, list))
        return [str(one) for one in next(lists, [])]

    @property
    def head_parameters(self) -> int:
        """Number of parameters of the head."""
        return sum(
            _count(shape) for key, shape in self.facts["tensors"].items() if key.startswith("head/")
        )

    @property
    def parameters(self) -> int:
        """Number of parameters in its file."""
        return sum(map(_count, self.facts["tensors"].values()))


def _count(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _sizes(run: Path) -> dict[str, int]:
    """Return the number of recordings of each side."""
    if not (run / SPLIT).is_file():
        return {}
    split = read_json(run / SPLIT)
    sides = ("train", "valid", "test")
    return {side: len(split[side]) for side in sides if isinstance(split.get(side), Mapping)}


def _what(members: Sequence[_Member], ensemble: EnsembleFolder | None) -> str:
    first = members[0]
    about = "" if first.task is None else f" ({first.task.about})"
    library = f"ossicle {first.facts['ossicle']}, a library for adapting speech and audio models"
    if ensemble is not None:
        return (
            f"An ensemble of {len(members)} adapters with the vote `{ensemble.vote.get('name')}`, "
            f"for the task {first.task_name}{about}, made with {library}."
        )
    return (
        f"An adapter for `{first.backbone}` and the task {first.task_name}{about}, made with "
        f"{library}. The backbone is not in this repository; it is found by its name."
    )


def _facts_table(members: Sequence[_Member], ensemble: EnsembleFolder | None) -> str:
    if ensemble is not None:
        rows = [
            (
                f"`{one.name}`",
                f"`{about.facts['expression']}` on `{about.backbone}`; {_parameters(about)}",
            )
            for one, about in zip(ensemble.members, members, strict=True)
        ]
        return _table(("member", ""), [*rows, *_labels_row(members[0])])
    (one,) = members
    rows = [
        ("backbone", f"`{one.backbone}` (fingerprint {one.facts['backbone']['fingerprint']})"),
        ("recipe", f"`{one.facts['expression']}`"),
        ("parameters", _parameters(one)),
        *_labels_row(one),
    ]
    if one.result is not None:
        found = one.result
        rows.append(
            (
                "training",
                f"epoch {found.best_epoch} of {found.epochs}, chosen by validation "
                f"{found.chosen_by}; seed {found.seed}",
            )
        )
    return _table(("", ""), rows)


def _parameters(one: _Member) -> str:
    without = one.parameters - one.head_parameters
    text = (
        f"{one.parameters:,} with the head, {without:,} without it; {one.num_bytes / 1000:,.0f} kB"
    )
    if one.result is not None:
        sizes = one.result.parameters
        text += f" ({sizes['percent']:.2f} % of {sizes['total']:,.0f} trained)"
    return text


def _labels_row(one: _Member) -> list[tuple[str, str]]:
    is_listed = one.task is not None and one.task.closed_set
    labels = one.labels if is_listed else []
    return [("labels", _cell(listing(labels, MOST_LABELS)))] if labels else []


def _use(title: str, task: type[Task] | None) -> str:
    files = '["one.wav", "other.wav"]' if task is not None and task.cohort_size else '["one.wav"]'
    return (
        "## How to use\n\n```python\nfrom ossicle import Trained\n\n"
        f'trained = Trained.open("hf:{title}")\nprint(*trained.predict({files}))\n```\n\n'
        f"On the command line: `ossicle predict hf:{title} one.wav`."
    )


def _data(members: Sequence[_Member]) -> str:
    sources = list(dict.fromkeys(source for one in members for source in one.sources))
    if not sources:
        return "## Data\n\nWhat it was trained on is not known from its folder."
    rows = []
    for one in sources:
        corpus = one.corpus
        if corpus is None:
            rows.append((f"`{one.name}`", "recordings of its owner", UNKNOWN))
        else:
            what = _cell(f"{corpus.summary} Source: {corpus.source}")
            rows.append((f"`{one.name}`", what, corpus.licence))
    lines = ["## Data and split", _table(("data", "what", "licence"), rows)]
    for note in dict.fromkeys(one.result.split for one in members if one.result is not None):
        lines.append(note)
    sizes = members[0].sizes
    if sizes:
        counts = ", ".join(f"{count:,} {side}" for side, count in sizes.items())
        lines.append(f"Recordings: {counts}.")
    return "\n\n".join(lines)


def _scores(result: RunResult | None, task: type[Task] | None) -> list[TestScore]:
    if result is None or result.test is None or task is None:
        return []
    test = result.test
    about = {"level": LEVEL, "unit": test["interval_unit"], "units": test["interval_units"]}
    return [
        TestScore(
            key=key,
            label=metric.label,
            value=test[key],
            interval=None if bounds is None else (bounds[0], bounds[1]),
            about=about,
        )
        for key, metric in task.reported.items()
        if test.get(key) is not None
        for bounds in [test["intervals"].get(key)]
    ]


def _results(
    result: RunResult | None, ensemble: EnsembleFolder | None, task: type[Task] | None
) -> str:
    if ensemble is not None and ensemble.valid is not None and task is not None:
        return _valid_results(ensemble.valid, task)
    if result is None or result.test is None or task is None:
        return "## Results\n\nNo metrics on test recordings are in its folder."
    test, rows = result.test, []
    for key, metric in task.reported.items():
        value, bounds = test.get(key), test["intervals"].get(key)
        if value is None:
            continue
        shown = f"not available: {test.get('interval_missing')}"
        if bounds is not None:
            shown = f"{metric.number(bounds[0])} to {metric.number(bounds[1])}"
        rows.append((metric.label, metric.text(value), shown))
    unit = f"{test['interval_units']} {test['interval_unit']}s"
    text = (
        f"## Results\n\nOn {test['count']:,} test recordings, tested once; 95 % bootstrap "
        f"intervals over {unit}.\n\n" + _table(("metric", "value", "95 % interval"), rows)
    )
    if result.bare is not None and result.bare["test"].get(task.primary_metric) is not None:
        metric = task.reported[task.primary_metric]
        value = metric.text(result.bare["test"][task.primary_metric])
        text += f"\n\nWithout adapters, the pretrained model has {metric.label} {value} on them."
    return text


def _valid_results(valid: Mapping[str, Any], task: type[Task]) -> str:
    metrics = task.reported
    rows = [
        (
            name,
            *(
                "not available" if found.get(key) is None else metric.text(found[key])
                for key, metric in metrics.items()
            ),
        )
        for name, found in ({**valid["members"], "vote": valid["vote"]}).items()
    ]
    return (
        f"## Results\n\nOn {valid['recordings']} validation recordings, which chose the best epoch "
        "of each member, so these are not test results; those of the vote are cross-fitted where "
        "it learns.\n\n" + _table(("", *(one.label for one in metrics.values())), rows)
    )


def _limits(title: str, one: _Member, result: RunResult | None) -> str:
    lines = [
        "Nothing is known of other microphones, rooms, languages and groups of speakers than those "
        "of its data; test it on your own recordings: "
        f"`ossicle evaluate hf:{title} --data my-recordings/`."
    ]
    if one.task is not None and one.task.closed_set and one.labels:
        lines.append(
            "It always answers with the labels above, for silence and noise too; `--abstain` of "
            "`ossicle predict` leaves out answers that it is not sure of."
        )
    if result is not None:
        lines.append(
            f"It is one run with one seed ({result.seed}); the interval does not say how much "
            "another seed changes."
        )
        note = None if result.test is None else result.test.get("interval_note")
        lines += [line for line in (note, *result.notices) if line]
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _licences(members: Sequence[_Member], licence: str | None) -> str:
    rows = [("this adapter", licence or "not stated by its owner")]
    for name, stated in dict.fromkeys((one.backbone, one.licence) for one in members):
        rows.append((f"backbone `{name}`", stated or UNKNOWN))
    for one in dict.fromkeys(source for member in members for source in member.sources):
        rows.append((f"data `{one.name}`", UNKNOWN if one.corpus is None else one.corpus.licence))
    return "## Licences\n\n" + _table(("", "licence"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    """Return a text that does not end a cell of a table."""
    return " ".join(text.replace("|", "\\|").split())
