"""The core rows of the benchmark on a GPU, within a budget of time: `make gpu-check` runs them.

budget.py      tasks in order of importance, until the time is used up
memory.py      peak memory of each variant, and what was measured on
training.py    training steps of every method
serving.py     several adapters in one call
"""
