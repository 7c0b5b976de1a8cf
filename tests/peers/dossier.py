"""Prints what the Python CLI finds in the directory of a mission, in process.

Arguments: the directory, the mission type. Its hashes of work packages are those of a projection, so
the raw hash of every file is printed beside, and the snapshot hash of the raw ones.
"""

import json
import sys
from pathlib import Path

from specify_cli.dossier.hasher import compute_dossier_snapshot_hash, hash_file
from specify_cli.dossier.indexer import Indexer
from specify_cli.dossier.manifest import ManifestRegistry
from specify_cli.sync.body_upload import _check_format, _is_supported_surface
from specify_cli.sync.namespace import resolve_manifest_version

directory, mission_type = Path(sys.argv[1]), sys.argv[2]
dossier = Indexer(ManifestRegistry()).index_feature(directory, mission_type)
artifacts = {}
for artifact in dossier.artifacts:
    path = artifact.relative_path
    artifacts[path] = {
        "key": artifact.artifact_key,
        "class": artifact.artifact_class,
        "required": artifact.required_status,
        "size": artifact.size_bytes,
        "present": artifact.is_present,
        "error": artifact.error_reason,
        "hash": hash_file(directory / path),
        "uploaded": _is_supported_surface(path) and _check_format(path) is None,
    }
entries = [(path, it["hash"]) for path, it in artifacts.items() if it["present"]]
print(
    json.dumps(
        {
            "artifacts": artifacts,
            "snapshot_hash": compute_dossier_snapshot_hash(entries),
            "manifest_version": resolve_manifest_version(mission_type),
        }
    )
)
