"""Statistics of comparisons: summaries, paired tests, corrections, effect sizes, ranks."""
