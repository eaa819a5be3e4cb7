"""Train an adapter, judge it, use it."""
