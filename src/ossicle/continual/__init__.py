"""Ways to keep what earlier stages have learnt. To add one, add its file and a line."""

from typing import Final

from ossicle.continual.coral import Coral
from ossicle.continual.dann import DANN
from ossicle.continual.ewc import EWC
from ossicle.continual.interpolate import Interpolate, interpolated
from ossicle.continual.keep import Keep, Start, Step, acting, as_finished
from ossicle.continual.l2_sp import L2SP
from ossicle.continual.lwf import LwF
from ossicle.continual.replay import Replay, drawn
from ossicle.settings import parse

KEEPS: Final[dict[str, type[Keep]]] = {
    keep.name: keep for keep in (L2SP, EWC, Replay, LwF, Coral, DANN, Interpolate)
}


def parse_keep(text: str) -> tuple[type[Keep], float]:
    """Return the way to keep that an expression such as `ewc(strength=100)` names, and its value.

    Raises:
        RunError: there is no such way, or the value is not one of its setting.
    """
    known = {name: dict((keep.setting,)) for name, keep in KEEPS.items()}
    name, settings = parse(text, "way to keep", known)
    (value,) = settings.values()
    return KEEPS[name], float(value)


__all__ = [
    "KEEPS",
    "Keep",
    "Start",
    "Step",
    "acting",
    "as_finished",
    "drawn",
    "interpolated",
    "parse_keep",
]
