"""Names that a terminal cannot show are escaped."""

import os
import subprocess
import sys

PRINTS = """
import sys
from ossicle.cli.main import main
sys.argv = ["ossicle", "--version"]
try:
    main()
except SystemExit:
    print("\\U0001f3b5", "\\udcff")
"""


def test_an_emoji_and_a_byte_that_is_not_text_are_escaped_on_an_ascii_terminal():
    done = subprocess.run(
        [sys.executable, "-c", PRINTS],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=True,
    )
    assert done.stdout.splitlines()[-1] == rb"\U0001f3b5 \udcff"
