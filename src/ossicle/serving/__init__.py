"""Many adapters on one backbone, in one batch."""

from ossicle.serving.bank import AdapterBank

__all__ = ["AdapterBank"]
