"""The README.md of a merged checkpoint: what it is, and how to use it without ossicle."""

from collections.abc import Sequence
from pathlib import Path

from ossicle.training.trained import Trained

_TEXT = """\
---
library_name: transformers
{tag}---

# {title}

A {family} model, fine-tuned with ossicle for the task {task}: {about}. The adapter is merged into
the weights, so this folder needs transformers alone.

```python
{code}
```

{labels}{notices}
"""


def write_card(
    folder: Path, trained: Trained, pipeline: str | None, use: str, notices: Sequence[str]
) -> None:
    """Write the card.

    Args:
        folder: Folder to write to.
        trained: The run.
        pipeline: Name of the pipeline that runs the checkpoint; None: there is none.
        use: The expression that loads it.
        notices: How its answers can differ from those of `ossicle predict`.
    """
    task, title = trained.task, trained.folder.resolve().name
    names = [name for name in task.output_names if name.strip()]
    listed = f"Outputs: {', '.join(names)}.\n\n" if names and len(names) <= 100 else ""
    text = _TEXT.format(
        tag=f"pipeline_tag: {pipeline}\n" if pipeline else "",
        title=title,
        family=trained.model.backbone.family.name,
        task=task.name,
        about=task.about,
        code=_code(pipeline, use),
        labels=listed,
        notices="\n".join(f"- {notice}" for notice in notices),
    )
    (folder / "README.md").write_text(text.rstrip() + "\n", encoding="utf-8")


def _code(pipeline: str | None, use: str) -> str:
    """Return lines of Python that use the checkpoint."""
    if pipeline is not None:
        return f'from transformers import pipeline\n\nrun = {use}\nprint(run("recording.wav"))'
    auto = use.partition(".")[0]
    return (
        f"from transformers import AutoFeatureExtractor, {auto}\n\n"
        'extractor = AutoFeatureExtractor.from_pretrained("FOLDER")\n'
        f"model = {use}\n"
        'output = model(**extractor(wave, sampling_rate=16000, return_tensors="pt"))'
    )
