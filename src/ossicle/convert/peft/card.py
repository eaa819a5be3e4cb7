"""The card of an exported adapter: how to load it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ossicle.files import replace_file

CARD: Final = "README.md"


def write_card(
    folder: Path, base: str, config: Mapping[str, Any], auto: str, settings: Mapping[str, Any]
) -> tuple[str, ...]:
    """Write the card of an adapter; return the lines of Python in it.

    Args:
        folder: Folder of the adapter.
        base: Name of the model that it was trained on.
        config: Its configuration.
        auto: The `Auto...` class that it is for.
        settings: Settings with which that has to be loaded.
    """
    options = [f"{key}={value!r}" for key, value in settings.items()]
    if settings:  # a head of the checkpoint may have another size
        options.append("ignore_mismatched_sizes=True")
    lines = (
        f"model = {auto}.from_pretrained({', '.join([repr(base), *options])})",
        f"model = PeftModel.from_pretrained(model, {str(folder)!r}).eval()",
    )
    imports = f"from peft import PeftModel\nfrom transformers import {auto}\n"
    code = "\n".join((imports, *lines))
    text = (
        f"---\nbase_model: {base}\nlibrary_name: peft\n---\n\n"
        f"A {config['peft_type']} adapter for `{base}`, trained with ossicle.\n\n"
        f"```python\n{code}\n```\n"
    )
    replace_file(folder / CARD, text.encode())
    return lines
