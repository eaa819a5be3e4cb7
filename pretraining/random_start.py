"""Write the initial weights of a pretraining, for comparison with the trained ones.

    python pretraining/random_start.py tiny-hubert --seed 0 --out pretraining/made/random-hubert

Not `config:tiny-hubert`: its front end begins as a filter bank, which is a head start that the
pretrained backbone had too.
"""

import argparse
from pathlib import Path

import tiny_ast
import tiny_hubert

STAGES = {"tiny-hubert": tiny_hubert, "tiny-ast": tiny_ast}


def main() -> None:
    """Write a folder in the format of the model hub."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=STAGES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    made = STAGES[options.name]
    made.export(made.new_model(options.seed), options.out)


if __name__ == "__main__":
    main()
