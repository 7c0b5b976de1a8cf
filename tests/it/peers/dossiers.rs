//! The dossier of a mission is the one that the Python CLI makes of the same files.

use super::Peer;
use crate::support::missions::Mission;
use crate::support::sandbox::{Sandbox, write};
use crate::support::scripted_server::ScriptedServer;
use crate::support::sessions::Seed;
use serde_json::{Map, Value, json};

/// Files of every class, and some that are left out.
const FILES: [(&str, &str); 16] = [
    ("plan.md", "# Plan\n"),
    ("research.md", "# Research\n"),
    ("gap-analysis.md", "x"),
    ("data-model.md", "Grüße\r\n"),
    ("lint-report.json", "{}"),
    ("analysis-report.md", "x"),
    ("research/Test Notes_2.md", "x"),
    ("research/source-register.csv", "a,b\n"),
    ("contracts/api.yaml", "openapi: 3\n"),
    ("contracts/api.proto", "x"),
    ("checklists/requirements.md", "x"),
    ("docs/adr-0001.md", "x"),
    ("notes/cache.txt", "x"),
    ("notes/deploy.LOG", "x"),
    (".hidden/secret.md", "x"),
    ("quickstart.md", ""),
];

#[test]
fn fr_011_the_python_cli_indexes_the_same_files_to_the_same_names_classes_and_hashes() {
    let Some(peer) = Peer::cli() else { return };
    for mission_type in ["software-dev", "research", "plan", "documentation"] {
        let server = ScriptedServer::start();
        let sandbox = Sandbox::hosted(&server.url()).with_artifacts();
        sandbox.seed(&Seed::private().issued_by(&server.url()));
        let create = [
            "agent",
            "mission",
            "create",
            "one",
            "--json",
            "--mission-type",
        ];
        let created = sandbox.json(&[&create[..], &[mission_type]].concat());
        let mission = Mission {
            slug: created["mission_slug"].as_str().unwrap().to_owned(),
            directory: created["feature_dir"].as_str().unwrap().into(),
        };
        for (path, text) in FILES {
            write(&mission.file(path), text);
        }
        write(&mission.file("broken.md"), b"\xff\xfe");
        sandbox.commit_all("Write");
        // A blocked plan changes nothing, and tells of what is there.
        sandbox.run(&["agent", "mission", "setup-plan", "--json"]);
        let directory = mission.directory.to_str().unwrap();
        let theirs = peer.script(&sandbox, "dossier.py", &[directory, mission_type]);
        let events = sandbox.all_stored_events();
        let mut ours = Map::new();
        for event in events
            .iter()
            .filter(|it| it["event_type"] == "MissionDossierArtifactIndexed")
        {
            let payload = &event["payload"];
            assert_eq!(
                payload["namespace"]["manifest_version"],
                theirs["manifest_version"]
            );
            let path = payload["artifact_id"]["path"].as_str().unwrap();
            let artifact = json!({
                "key": payload["context_diagnostics"]["artifact_key"],
                "class": payload["artifact_id"]["artifact_class"],
                "required": payload["context_diagnostics"]["required_status"],
                "size": payload["content_ref"]["size_bytes"],
                "hash": payload["content_ref"]["hash"],
            });
            ours.insert(path.to_owned(), artifact);
        }
        let present = |it: &&Value| it["present"] == true;
        let theirs_of = theirs["artifacts"].as_object().unwrap();
        assert_eq!(
            ours.len(),
            theirs_of.values().filter(present).count(),
            "{theirs}"
        );
        assert_eq!(theirs_of["broken.md"]["error"], "invalid_utf8");
        for (path, artifact) in &ours {
            for field in ["key", "class", "required", "size", "hash"] {
                assert_eq!(
                    artifact[field], theirs_of[path][field],
                    "{mission_type} {path} {field}"
                );
            }
        }
        let snapshot = events
            .iter()
            .rfind(|it| it["event_type"] == "MissionDossierSnapshotComputed");
        let hash = &snapshot.unwrap()["payload"]["snapshot_hash"];
        assert_eq!(*hash, theirs["snapshot_hash"], "{mission_type}");
        let uploads = server.requests_to(crate::support::scripted_server::CONTENT);
        for (path, artifact) in theirs_of {
            let is_uploaded = uploads.iter().any(|it| it.json()["artifact_path"] == *path);
            let has_content = artifact["present"] == true && artifact["size"] != 0;
            let should_be = artifact["uploaded"] == true && has_content;
            assert_eq!(is_uploaded, should_be, "{mission_type} {path}");
        }
    }
}
