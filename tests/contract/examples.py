"""Write the example tree of a corpus reader to a folder."""

from pathlib import Path

import numpy as np
import soundfile

from ossicle.data.corpora import Corpus


def write_example(corpus: Corpus, root: Path) -> Path:
    """Write the example of a corpus, with different noises, and return the path to open."""
    rng = np.random.default_rng(0)
    for name, text in corpus.example.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            soundfile.write(path, rng.uniform(-0.5, 0.5, 800), 8000)
        else:
            path.write_text(text, encoding="utf-8")
    if corpus.example.pack:
        corpus.example.pack(root)
    return root / corpus.example.opens
