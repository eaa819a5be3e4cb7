"""Outputs and answers of one trained adapter, or of many on one backbone."""

from ossicle.inference.bank import AdapterBank

__all__ = ["AdapterBank"]
