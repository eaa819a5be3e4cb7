"""Which espeak-ng variants speak in the demo corpus, and so never in the pretraining."""

from typing import Final

DEMO_VARIANTS: Final = (
    "Annie", "Andy", "antonio", "belinda", "david", "Denis", "Gene", "Hugo", "linda", "m6",
    "iven2", "quincy", "rob", "steph", "zac", "anika", "f3", "m4", "m7", "victor",
)  # fmt: skip
DEMO_COMMANDS: Final = ("stop", "start", "left", "right", "louder", "softer", "open", "close")
