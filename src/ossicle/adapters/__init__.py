"""Adapters on a frozen backbone: slots, taps, the adapted model, checks, counts, files."""
