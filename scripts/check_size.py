#!/usr/bin/env python3
"""Fail if a file named on the command line is larger than 250 kB: such files belong elsewhere."""

import sys
from pathlib import Path

LIMIT_KB = 250

large = [path for path in map(Path, sys.argv[1:]) if path.stat().st_size > LIMIT_KB * 1000]
for path in large:
    print(f"{path} has {path.stat().st_size // 1000} kB: expected at most {LIMIT_KB} kB.")
sys.exit(bool(large))
