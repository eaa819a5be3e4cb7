"""Silence the log messages and progress bars of transformers."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.utils import logging as hub_logging
from transformers.utils import logging as transformers_logging


@contextmanager
def quiet_transformers(*, bars: bool = False) -> Iterator[None]:
    """Silence transformers and its hub client, and unless `bars` their progress bars.

    They would report unused heads, every retry without a network, and that the lowest of AST's 128
    mel filters is empty.
    """
    notes = [(one, one.get_verbosity()) for one in (transformers_logging, hub_logging)]
    had_bars = transformers_logging.is_progress_bar_enabled()
    for one, _ in notes:
        one.set_verbosity_error()
    if not bars:
        transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="At least one mel filter has all zero")
            yield
    finally:
        for one, level in notes:
            one.set_verbosity(level)
        if had_bars:
            transformers_logging.enable_progress_bar()
