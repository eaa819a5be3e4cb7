"""Ensembles of the trials of a study, computed from the outputs that their run folders keep."""
