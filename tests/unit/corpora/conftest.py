"""Fixture: a tree of short noises and texts, in the layout of a corpus."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile

Tree = Callable[[Mapping[str, str | None]], Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return a function that writes files: texts, or 0.1 s of noise for None."""
    rng = np.random.default_rng(0)

    def write(files: Mapping[str, str | None]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                soundfile.write(path, rng.uniform(-0.5, 0.5, 800), 8000)
            else:
                path.write_text(text, encoding="utf-8")
        return tmp_path

    return write
