"""Speed and memory of ossicle, transformers and peft: what `benchmarks/bench.py` runs.

bench.py     rounds, ratios and their spread; child processes
sizes.py     the architectures measured, and tiny ones of the same depth for `--quick`
ours.py      ossicle's forward passes and training steps
theirs.py    those of transformers and peft
groups/      one file for each group of rows; `GROUPS` lists them
"""
