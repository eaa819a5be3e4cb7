"""What is left of pruned adapters, and what they still can do."""
