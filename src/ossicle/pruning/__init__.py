"""Ways to prune a trained adapter: a smaller one, with an ordinary recipe. One file each."""

from typing import Final

from ossicle.pruning.argmax import ArgMax
from ossicle.pruning.gates import Gates
from ossicle.pruning.magnitude import Magnitude
from ossicle.pruning.random import Random
from ossicle.pruning.sensitivity import Sensitivity
from ossicle.pruning.smaller import Pruned, pruned
from ossicle.pruning.taylor import Taylor
from ossicle.pruning.unpruned import Unpruned
from ossicle.pruning.way import Choice, Way
from ossicle.settings import parse

WAYS: Final[dict[str, type[Way]]] = {
    way.name: way for way in (Sensitivity, Taylor, Gates, Magnitude, Random, ArgMax)
}


def parse_prune(text: str) -> Way:
    """Return the way to prune that an expression such as `taylor(to=100k)` names.

    Raises:
        RunError: there is no such way, or a setting is wrong.
    """
    name, values = parse(text, "way to prune", {name: way.options for name, way in WAYS.items()})
    return WAYS[name](**values)


__all__ = ["WAYS", "Choice", "Pruned", "Unpruned", "Way", "parse_prune", "pruned"]
