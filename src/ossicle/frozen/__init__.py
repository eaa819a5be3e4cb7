"""The part of a forward pass that no adapter changes: where it ends, and a cache of its outputs."""
