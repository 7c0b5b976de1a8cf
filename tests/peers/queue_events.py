"""Queues events with a released CLI: in process, as its commands do.

    queue_events.py COUNT [SLUG_KEY]

Prints the ids that it queued, in order, as one JSON list. SLUG_KEY is how the release calls the slug of
a mission in a move of a work package; without it only notes are queued.
"""

import contextlib
import json
import os
import sys


def main():
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from foreground_cli import stay_in_the_foreground

    stay_in_the_foreground()
    from specify_cli.sync.events import get_emitter

    emitter = get_emitter()
    queued = []
    for number in range(int(sys.argv[1])):
        event = emitter.emit_history_added(
            wp_id="WP01", entry_type="note", entry_content=f"n\u00f6te {number}"
        )
        queued.append(event["event_id"])
    if len(sys.argv) > 2:
        event = emitter.emit_wp_status_changed(
            wp_id="WP01", from_lane="planned", to_lane="claimed", actor="claude",
            **{sys.argv[2]: "001-x"},
        )
        queued.append(event["event_id"])
    return queued


if __name__ == "__main__":
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        ids = main()
    print(json.dumps(ids), flush=True)
    # What the CLI does when it ends (a final sync that waits for a server) is no part of this.
    os._exit(0)
