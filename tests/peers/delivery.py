"""Delivers envelopes with the client of spec-kitty-cli, under the session that is stored.

    delivery.py SERVER < ENVELOPES

Prints JSON: the outcome of each envelope, in order, as the client understood the answer. Whether a
project consents is decided before this client is asked, by stores that are not the subject here.
"""

from __future__ import annotations

import json
import sys

from specify_cli.auth.secure_storage import SecureStorage
from specify_cli.delivery.receivers import OutboundEvent, TeamspaceReceiver


def main(server: str) -> None:
    stored = SecureStorage.from_environment().read()
    assert stored, "nobody is logged in"
    receiver = TeamspaceReceiver(resolved_server_url=server, auth_token=stored.access_token)
    envelopes = [json.loads(line) for line in sys.stdin if line.strip()]
    events = [OutboundEvent(envelope["event_id"], envelope) for envelope in envelopes]
    outcomes = {result.event_id: result.outcome for result in receiver._bisect_send(events)}
    json.dump([outcomes[event.event_id] for event in events], sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
