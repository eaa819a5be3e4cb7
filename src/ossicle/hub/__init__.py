"""Runs on the Hugging Face Hub: `hf:USER/NAME[@REVISION]`."""

from ossicle.hub.failures import failures, in_words
from ossicle.hub.snapshot import download, name_of
from ossicle.hub.upload import Uploaded, upload

__all__ = ["Uploaded", "download", "failures", "in_words", "name_of", "upload"]
