"""The folder that models of the hub are kept in."""

from pathlib import Path


def hub_folder() -> Path:
    """Return the folder of downloaded models: HF_HUB_CACHE, or `hub` in HF_HOME.

    Raises:
        ImportError: huggingface_hub is missing or broken.
    """
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)
