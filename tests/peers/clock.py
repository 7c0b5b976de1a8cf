"""Reads the Lamport clock of the state root with spec-kitty-cli, and ticks it as emitting does.

    clock.py [TICKS]

Prints JSON: the value and node id that the CLI loads, the node id that it makes by itself, and the
value after so many ticks.
"""

from __future__ import annotations

import json
import sys

from specify_cli.sync import clock


def main(ticks: int) -> None:
    loaded = clock.LamportClock.load()
    value = loaded.value
    for _ in range(ticks):
        loaded.tick()
    answer = {"value": value, "node_id": loaded.node_id, "after": loaded.value}
    json.dump(answer | {"own_node_id": clock.generate_node_id()}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
