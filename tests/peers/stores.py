"""Lists the projects of whose stores spec-kitty-cli makes its syncing depend, apart from the checkout's.

Prints a JSON list of project UUIDs.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

from specify_cli.sync import background


def main() -> None:
    with tempfile.TemporaryDirectory() as nowhere:
        os.chdir(nowhere)
        found = background._enumerate_project_store_candidates()
        os.chdir(os.sep)
    json.dump([project.storage_token for project in found], sys.stdout)


if __name__ == "__main__":
    main()
