//! Which server issued the stored session.
//!
//! The Python CLI does not record it, and would drop an additional key of the session the next time
//! it refreshes. So the binding is a file of our own beside the session, `session.issuer.json`
//! (0600), that names the session it speaks of: a refresh by either program keeps the session's id
//! and with it the binding, and a new login by the Python CLI makes the file speak of a session
//! that is no more, which counts as unbound.

use super::private_file::{Links, PrivateFile};
use kitty_config::{AuthPaths, ServerUrl};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::Filesystem;
use kitty_runtime::python_json;
use serde::{Deserialize, Serialize};
use std::io;

const SCHEMA_VERSION: u32 = 1;

/// The file: sorted keys; only this program writes it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerRecord {
    schema_version: u32,
    server: String,
    session_id: String,
}

/// Returns the server that issued a session; `None` when it is not known.
pub(super) fn load(paths: &AuthPaths, session_id: &str) -> Option<ServerUrl> {
    let file = PrivateFile::read(&paths.issuer(), Links::Follow).ok()??;
    let record: IssuerRecord = serde_json::from_slice(&file.bytes).ok()?;
    if record.schema_version != SCHEMA_VERSION || record.session_id != session_id {
        return None;
    }
    ServerUrl::parse(&record.server).ok()
}

/// Binds a session to a server, durably.
pub(super) fn save(
    filesystem: &dyn Filesystem,
    paths: &AuthPaths,
    session_id: &str,
    server: &ServerUrl,
) -> io::Result<()> {
    let text = python_json::line(&IssuerRecord {
        schema_version: SCHEMA_VERSION,
        server: server.as_str().to_owned(),
        session_id: session_id.to_owned(),
    });
    crashsafe::replace(
        filesystem,
        &paths.issuer(),
        text.as_bytes(),
        Durability::PowerCut,
    )
}
