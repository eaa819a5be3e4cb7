#!/usr/bin/env python3
"""Fail if a file named on the command line is too large: 250 kB, or 8 MB for shipped weights."""

import sys
from pathlib import Path

LIMIT_KB = 250
SHIPPED_KB = 8000
SHIPPED = "src/ossicle/backbones/pretrained/*/model.safetensors"

status = 0
for path in map(Path, sys.argv[1:]):
    limit = SHIPPED_KB if path.match(SHIPPED) else LIMIT_KB
    if path.stat().st_size > limit * 1000:
        print(f"{path} has {path.stat().st_size // 1000} kB: expected at most {limit} kB.")
        status = 1
sys.exit(status)
