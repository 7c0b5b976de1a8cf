"""Lists what spec-kitty-cli captured for a project, with its own reader.

    journal.py PROJECT_UUID

Prints JSON: one [event id, event type, whether it has a build] for every event of the project's
journal, in the order of capture, whether or not it may ever be sent.
"""

from __future__ import annotations

import json
import sys

from specify_cli.event_journal.journal import EventJournal
from specify_cli.sync.project_store import ProjectSyncStore


def main(project: str) -> None:
    store = ProjectSyncStore(project)
    with store.unit_of_work() as unit:
        events = EventJournal(unit, store.layout_generation()).read_all()
        captured = [(event.event_id, event.event_type, event.payload) for event in events]
    builds = [bool(json.loads(payload).get("build_id")) for _, _, payload in captured]
    json.dump([[i, kind, build] for (i, kind, _), build in zip(captured, builds)], sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
