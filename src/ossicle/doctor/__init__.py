"""Whether this installation works: what `ossicle doctor` examines.

Nothing here imports torch or transformers in this process, since either may be what is broken. They
are imported by `probe`, in a process of its own.
"""

from ossicle.doctor.examine import examine
from ossicle.doctor.finding import Finding, Status

__all__ = ["Finding", "Status", "examine"]
