"""How adapters are connected: taps on a frozen backbone, sets, checks, saving."""
