"""The espeak-ng variants of the demo corpus, which pretraining never uses."""

from typing import Final

DEMO_VARIANTS: Final = (
    "Annie", "Andy", "antonio", "belinda", "david", "Denis", "Gene", "Hugo", "linda", "m6",
    "iven2", "quincy", "rob", "steph", "zac", "anika", "f3", "m4", "m7", "victor",
)  # fmt: skip
DEMO_COMMANDS: Final = ("stop", "start", "left", "right", "louder", "softer", "open", "close")
