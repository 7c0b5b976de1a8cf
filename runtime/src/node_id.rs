//! The emitter's identity of this machine, the same as the Python CLI computes (reference 7).
//!
//! The user's name comes from the environment, else from the local password file. The system's name
//! service is not asked: it opens a socket, and no local command may.

use kitty_config::{Environment, env};
use sha2::{Digest as _, Sha256};

/// Where a local machine lists its users.
#[cfg(unix)]
const PASSWORD_FILE: &str = "/etc/passwd";
/// Who emits when nobody can be named.
const NOBODY: &str = "unknown";

/// Computes 12 hex of sha256 over `host:user`.
#[must_use]
pub fn node_id_of_machine() -> String {
    let host = gethostname::gethostname();
    let user = user_name(&Environment::from_process())
        .or_else(user_of_process)
        .unwrap_or_else(|| NOBODY.to_owned());
    node_id(&host.to_string_lossy(), &user)
}

fn node_id(host: &str, user: &str) -> String {
    hex::encode(Sha256::digest(format!("{host}:{user}").as_bytes()))[..12].to_owned()
}

/// Returns the first name that the environment gives, in the order in which Python asks.
fn user_name(environment: &Environment) -> Option<String> {
    [env::LOGNAME, env::USER, env::LNAME, env::USERNAME]
        .into_iter()
        .find_map(|variable| environment.non_empty(variable))
        .map(|name| name.to_string_lossy().into_owned())
}

#[cfg(unix)]
fn user_of_process() -> Option<String> {
    let users = std::fs::read_to_string(PASSWORD_FILE).ok()?;
    name_of(&users, rustix::process::getuid().as_raw())
}

#[cfg(not(unix))]
fn user_of_process() -> Option<String> {
    None
}

/// Finds the name of a user in a password file: `name:password:uid:…`, one a line.
#[cfg(unix)]
fn name_of(users: &str, uid: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_id_is_that_of_the_reference_formula() {
        assert_eq!(node_id("a", "b"), "6783a31eabf6");
        assert_ne!(node_id("a", "b"), node_id("a", "c"));
    }

    #[test]
    fn the_first_variable_that_names_somebody_wins() {
        let environment = Environment::default()
            .with(env::LOGNAME, "")
            .with(env::USER, "second")
            .with(env::USERNAME, "last");
        assert_eq!(user_name(&environment).as_deref(), Some("second"));
        assert_eq!(user_name(&Environment::default()), None);
    }

    #[test]
    #[cfg(unix)]
    fn a_user_is_found_in_the_password_file_by_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nada:x:1000:1000::/home/user:/bin/sh\n";
        assert_eq!(name_of(users, 1000).as_deref(), Some("ada"));
        assert_eq!(name_of(users, 1), None);
    }
}
