"""Pruning of a finished run: which adapters, ranks or widths can go, and the smaller adapter."""
