"""Runs on the Hugging Face Hub: `hf:USER/NAME[@REVISION]`."""

from ossicle.hub.failures import failures
from ossicle.hub.snapshot import download, name_of

__all__ = ["download", "failures", "name_of"]
