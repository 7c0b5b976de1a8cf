//! The login by the device flow, which the Teamspace's operator approves.

use crate::machine::{CallError, Machine};
use crate::ports::Teamspace;

/// A login that came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// The call came to nothing.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The program or the server refused.
    #[error("{0}")]
    Refused(String),
}

/// Logs the machine in.
pub(crate) fn log_in(machine: &Machine, teamspace: &dyn Teamspace) -> Result<(), LoginError> {
    let mut login = machine.talk(&["auth", "login", "--headless"])?;
    let mut approved = false;
    while !approved {
        let Some(line) = login.line()? else { break };
        if let Some((_, code)) = line.split_once("Code:") {
            let code = code.split_whitespace().next().unwrap_or_default();
            let approval = teamspace.approve(code);
            approval.map_err(|error| LoginError::Refused(error.to_string()))?;
            approved = true;
        }
    }
    let called = login.finish();
    machine.note(&called);
    let called = called?;
    match (approved, called.code) {
        (true, Some(0)) => Ok(()),
        (false, _) => Err(LoginError::Refused(format!(
            "the login showed no code: {}",
            called.told()
        ))),
        (true, _) => Err(LoginError::Refused(called.told())),
    }
}
