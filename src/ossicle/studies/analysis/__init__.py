"""What all studies share: from outcomes to cells, tables, sentences and claims."""

from ossicle.studies.analysis.cell import Cell, cells
from ossicle.studies.analysis.claim import Claim
from ossicle.studies.analysis.difference import Difference, difference
from ossicle.studies.analysis.over_data import OverData, over_data, ranks_table
from ossicle.studies.analysis.sentences import judge
from ossicle.studies.analysis.table import summary_table
from ossicle.studies.analysis.verdict import verdict

__all__ = [
    "Cell",
    "Claim",
    "Difference",
    "OverData",
    "cells",
    "difference",
    "judge",
    "over_data",
    "ranks_table",
    "summary_table",
    "verdict",
]
