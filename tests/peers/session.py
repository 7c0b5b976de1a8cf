"""Uses the session store of spec-kitty-cli as its commands do; answers with JSON.

    session.py write EMAIL ACCESS REFRESH     stores a session with a Private Teamspace
    session.py rotate ACCESS REFRESH          replaces the tokens, as a refresh does
    session.py read                           prints the stored session, or null

The state root comes from the environment, as it does for the commands.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import sys
from typing import Any

from specify_cli.auth import secure_storage, session


def fresh(email: str, access: str, refresh: str) -> session.StoredSession:
    now = datetime.datetime.now(datetime.UTC)
    private = session.Team(
        id="t-private", name="Café Private", role="owner", is_private_teamspace=True, slug="private"
    )
    teams = [session.Team(id="t-shared", name="Shared", role="member", slug="shared"), private]
    return session.StoredSession(
        user_id="u-python",
        email=email,
        name="Grace Hopper",
        teams=teams,
        default_team_id=session.pick_default_team_id(teams),
        access_token=access,
        refresh_token=refresh,
        session_id="session-of-python",
        issued_at=now,
        access_token_expires_at=now + datetime.timedelta(hours=1),
        refresh_token_expires_at=now + datetime.timedelta(days=30),
        scope="offline_access",
        storage_backend="file",
        last_used_at=now,
        auth_method="device_code",
    )


def shown(stored: session.StoredSession | None) -> Any:
    if stored is None:
        return None
    fields = {name: getattr(stored, name) for name in ("email", "user_id", "session_id", "scope")}
    fields |= {"access": stored.access_token, "refresh": stored.refresh_token}
    return fields | {"teams": [[team.id, team.is_private_teamspace] for team in stored.teams]}


def main(command: str, *words: str) -> None:
    store = secure_storage.SecureStorage.from_environment()
    if command == "write":
        store.write(fresh(*words))
    elif command == "rotate":
        access, refresh = words
        stored = store.read()
        store.write(dataclasses.replace(stored, access_token=access, refresh_token=refresh))
    json.dump(shown(store.read()), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
