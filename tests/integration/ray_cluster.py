"""A Ray cluster of two nodes with one CPU each on this machine, for tests.

It prints the address as a line of JSON. The line `kill` on its standard input kills the second node
and its workers, as a power failure would. It ends with its standard input.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

SMALL = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


def main() -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory(prefix="ray") as folder:  # a short path, for Unix sockets
        os.environ["RAY_TMPDIR"] = folder  # where it writes its address; it does not create `ray`
        (Path(folder) / "ray").mkdir()
        head = {**SMALL, "include_dashboard": False, "temp_dir": folder}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        second = cluster.add_node(**SMALL, temp_dir=folder)
        sys.stdout.write(json.dumps(cluster.address) + "\n")
        sys.stdout.flush()
        for line in sys.stdin:
            assert line == "kill\n"
            (raylet,) = (one.process.pid for one in second.all_processes["raylet"])
            found = subprocess.run(["pgrep", "-P", str(raylet)], capture_output=True, check=False)
            for process in (raylet, *map(int, found.stdout.split())):
                os.kill(process, signal.SIGKILL)
        cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
        second.kill_all_processes(check_alive=False, allow_graceful=False)


if __name__ == "__main__":
    main()
