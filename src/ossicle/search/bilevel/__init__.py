"""Bilevel training: the adapters and the gates of a mixture are trained in turn."""
