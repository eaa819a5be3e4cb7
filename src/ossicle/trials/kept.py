"""What a worker keeps between trials, so that the next one starts at once."""


class Kept:
    """The backbones that this process has loaded."""
