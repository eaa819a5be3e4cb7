"""Studies: grids of trials with an analysis of their results. One file each."""

from typing import TYPE_CHECKING, Final

from ossicle.lazy import lazy_names
from ossicle.studies.claims import Claims
from ossicle.studies.combination import Combination
from ossicle.studies.cost import Cost
from ossicle.studies.data_size import DataSize
from ossicle.studies.domains import Domains
from ossicle.studies.ensemble import Ensemble
from ossicle.studies.few_shot import FewShot
from ossicle.studies.grid import Grid
from ossicle.studies.leave_one_out import LeaveOneOut
from ossicle.studies.methods import Methods
from ossicle.studies.placement import Placement
from ossicle.studies.prune import Prune
from ossicle.studies.residual import Residual
from ossicle.studies.scaling import Scaling
from ossicle.studies.search import Search
from ossicle.studies.sensitivity import Sensitivity
from ossicle.studies.study import Study
from ossicle.studies.weights import Weights

if TYPE_CHECKING:
    from ossicle.studies.run import StudyOutcome, report_study, run_study

__all__ = [
    "STUDIES",
    "Claims",
    "Combination",
    "Cost",
    "DataSize",
    "Domains",
    "Ensemble",
    "FewShot",
    "Grid",
    "LeaveOneOut",
    "Methods",
    "Placement",
    "Prune",
    "Residual",
    "Scaling",
    "Search",
    "Sensitivity",
    "Study",
    "StudyOutcome",
    "Weights",
    "report_study",
    "run_study",
]

STUDIES: Final[dict[str, type[Study]]] = {
    one.name: one
    for one in (
        Methods,
        FewShot,
        DataSize,
        Scaling,
        Placement,
        Weights,
        Residual,
        Combination,
        LeaveOneOut,
        Sensitivity,
        Ensemble,
        Domains,
        Prune,
        Search,
        Cost,
        Claims,
    )
}

_HOME: Final = dict.fromkeys(("StudyOutcome", "report_study", "run_study"), "ossicle.studies.run")


__getattr__ = lazy_names(__name__, _HOME)
