"""Time and memory of reading a manifest of a million rows whose files exist.

    python benchmarks/manifest.py [--rows 1000000]

The files are empty, and neither decoded nor hashed. Two steps are measured: `read_manifest`, and
resolving the path of each file, with which the leak check begins. Memory is the peak of the
process, including Python and its packages. Written to `benchmarks/results/manifest.json`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

MEASURE = """
import json, resource, sys, time
from pathlib import Path
from ossicle.data import leaks, read_manifest

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

start, before = time.perf_counter(), peak()
manifest = read_manifest(sys.argv[1])
read, after = time.perf_counter() - start, peak()
folders = {}
places = {leaks._place(one, folders) for one in manifest.utterances}
print(json.dumps({
    "rows": len(manifest.utterances),
    "before_mib": round(before),
    "read_seconds": round(read, 1),
    "read_peak_mib": round(after),
    "with_places_seconds": round(time.perf_counter() - start, 1),
    "with_places_peak_mib": round(peak()),
}))
"""


def write(folder: Path, rows: int) -> Path:
    """Write so many empty files in a thousand folders, and a manifest of them."""
    for number in range(1000):
        (folder / f"audio/{number:03d}").mkdir(parents=True)
    lines = ["path,label,speaker,split"]
    for number in range(rows):
        name = f"audio/{number % 1000:03d}/{number:07d}.wav"
        (folder / name).touch()
        side = ("train", "train", "train", "valid", "test")[number % 5]
        lines.append(f"{name},class-{number % 50},speaker-{number % 5000},{side}")
    file = folder / "list.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def main() -> None:
    """Measure in a process of its own and write what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = write(Path(folder), given.rows)
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(file)], capture_output=True, text=True, check=True
        )
    found = json.loads(done.stdout)
    print("  ".join(f"{name} {value}" for name, value in found.items()))
    target = Path(__file__).parent / "results/manifest.json"
    target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
