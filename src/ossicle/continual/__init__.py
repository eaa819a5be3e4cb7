"""Ways to keep what earlier stages have learnt. To add one, add its file and a line."""

from typing import Final

from ossicle.continual.keep import Keep, Start, Step

KEEPS: Final[dict[str, type[Keep]]] = {}

__all__ = ["KEEPS", "Keep", "Start", "Step"]
