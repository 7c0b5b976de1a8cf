//! The files by which today's tools see a daemon (reference 8). None of them holds a secret: the
//! control token of the old protocol does not exist here.

use crate::invocation::{Invocation, VERSION};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::read_all;
use kitty_runtime::ipc::Greeting;
use kitty_runtime::python_json;
use serde::Serialize;
use serde_json::Value;
use std::io;

/// `owner.json`, field by field as the Python CLI reads it.
#[derive(Debug, Serialize)]
struct OwnerHint<'a> {
    auth_principal: Option<&'a str>,
    auth_scope: Option<&'a str>,
    auth_team: Option<&'a str>,
    executable_path: &'a str,
    package_version: &'a str,
    pid: u32,
    port: u16,
    queue_db_path: Option<&'a str>,
    server_url: Option<&'a str>,
    source_checkout_path: Option<&'a str>,
    started_at: f64,
    token: &'a str,
}

/// Writes both files.
pub fn write(invocation: &Invocation, greeting: &Greeting) -> io::Result<()> {
    let queues = invocation.map.projects().display().to_string();
    let hint = OwnerHint {
        auth_principal: None,
        auth_scope: None,
        auth_team: None,
        executable_path: &greeting.executable,
        package_version: VERSION,
        pid: greeting.process.pid,
        port: 0,
        queue_db_path: Some(&queues),
        server_url: greeting.server.as_deref(),
        source_checkout_path: None,
        started_at: std::time::Duration::from_millis(greeting.started_at_ms).as_secs_f64(),
        token: "<redacted>",
    };
    let filesystem = &*invocation.filesystem;
    let owner = python_json::indented(&hint);
    crashsafe::replace(
        filesystem,
        &invocation.map.daemon_owner(),
        owner.as_bytes(),
        Durability::ProcessDeath,
    )?;
    // Address, port, token, process id: there is no address, no port and no token.
    let state = format!("\n0\n\n{}\n", greeting.process.pid);
    crashsafe::replace(
        filesystem,
        &invocation.map.daemon_state(),
        state.as_bytes(),
        Durability::ProcessDeath,
    )
}

/// Removes the files that name this process; those of another daemon stay.
pub fn remove(invocation: &Invocation, pid: u32) {
    let filesystem = &*invocation.filesystem;
    let owner = invocation.map.daemon_owner();
    let owned = read_all(filesystem, &owner).ok();
    let recorded = owned.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    if recorded.is_some_and(|record| record["pid"] == pid) {
        let _ = filesystem.remove_file(&owner);
    }
    let state = invocation.map.daemon_state();
    let written = read_all(filesystem, &state).unwrap_or_default();
    if String::from_utf8_lossy(&written).lines().nth(3) == Some(pid.to_string().as_str()) {
        let _ = filesystem.remove_file(&state);
    }
}
