"""Outputs and decoded answers of one trained adapter, or of many on one backbone."""

from ossicle.inference.bank import AdapterBank
from ossicle.inference.ensemble import Ensemble, load_predictor
from ossicle.inference.predictor import Group, Model, Predictor
from ossicle.inference.single import SingleModel

__all__ = [
    "AdapterBank",
    "Ensemble",
    "Group",
    "Model",
    "Predictor",
    "SingleModel",
    "load_predictor",
]
