//! The daemon as a service of the user's login: a systemd unit or a launchd agent. Writing one
//! starts nothing.

use crate::failure::Failure;
use crate::invocation::Invocation;
use kitty_config::{Environment, env, login_service};
use kitty_runtime::crashsafe::{self, Durability};
use std::path::{Path, PathBuf};

/// A service file and what a person does next.
pub struct Service {
    /// The file.
    pub path: PathBuf,
    /// The next command.
    pub next: String,
}

/// Writes the service file.
///
/// # Errors
/// [`Failure`] when there is no home directory, no such service on this platform, or no permission.
pub fn install(invocation: &Invocation) -> Result<Service, Failure> {
    let path = path(&invocation.environment)?;
    let program =
        std::env::current_exe().map_err(|error| Failure::from_error("program_unknown", error))?;
    let variables = variables(invocation);
    let log = invocation.map.daemon_log();
    let (text, next) = if cfg!(target_os = "macos") {
        let next = format!("launchctl load -w {}", path.display());
        (agent(&program, &variables, &log), next)
    } else {
        let next = "systemctl --user enable --now spec-kitty-sync.service".to_owned();
        (unit(&program, &variables), next)
    };
    crashsafe::replace(
        &*invocation.filesystem,
        &path,
        text.as_bytes(),
        Durability::PowerCut,
    )
    .map_err(|error| not_written(&path, &error))?;
    Ok(Service { path, next })
}

/// Removes the service file; returns whether there was one.
///
/// # Errors
/// [`Failure`].
pub fn uninstall(invocation: &Invocation) -> Result<(Service, bool), Failure> {
    let path = path(&invocation.environment)?;
    let existed = path.exists();
    if existed {
        crashsafe::remove(&*invocation.filesystem, &path)
            .map_err(|error| not_written(&path, &error))?;
    }
    let next = if cfg!(target_os = "macos") {
        "launchctl remove dev.spec-kitty.sync".to_owned()
    } else {
        "systemctl --user disable --now spec-kitty-sync.service".to_owned()
    };
    Ok((Service { path, next }, existed))
}

fn path(environment: &Environment) -> Result<PathBuf, Failure> {
    login_service(environment).ok_or_else(|| {
        Failure::new(
            "no_login_service",
            "No login service can be written: HOME is unset, or this platform has none.",
        )
        .next("Run `spec-kitty sync daemon start` instead.")
    })
}

fn not_written(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("{} could not be changed: {error}", path.display());
    Failure::new("service_not_written", message).next("Check the permissions of its directory.")
}

/// What the service needs to know; never a token.
fn variables(invocation: &Invocation) -> Vec<(&'static str, String)> {
    let root = super::absolute(invocation.map.root());
    let mut variables = vec![
        (env::SPEC_KITTY_HOME.name, root),
        (env::SPEC_KITTY_ENABLE_SAAS_SYNC.name, "1".to_owned()),
    ];
    if let Some(url) = invocation.environment.text(env::SPEC_KITTY_SAAS_URL) {
        variables.push((env::SPEC_KITTY_SAAS_URL.name, url.to_owned()));
    }
    variables
}

/// A value in a systemd unit: quoted, with nothing expanded.
fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%");
    format!("\"{}\"", escaped.replace('$', "$$"))
}

fn unit(program: &Path, variables: &[(&str, String)]) -> String {
    let assignment = |(name, value): &(&str, String)| {
        // `$` means nothing in an assignment, so doubling it would change the value.
        let value = quoted(value).replace("$$", "$");
        format!("Environment=\"{name}={}\n", value.trim_start_matches('"'))
    };
    let environment: String = variables.iter().map(assignment).collect();
    format!(
        "[Unit]\nDescription=Spec Kitty background sync\n\n[Service]\n{environment}\
         ExecStart={} sync daemon serve --stay\nRestart=on-failure\nTimeoutStopSec=5\n\n\
         [Install]\nWantedBy=default.target\n",
        quoted(&program.to_string_lossy())
    )
}

fn agent(program: &Path, variables: &[(&str, String)], log: &Path) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let pair = |(name, value): &(&str, String)| {
        format!("<key>{name}</key><string>{}</string>", escape(value))
    };
    let environment: String = variables.iter().map(pair).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict>\n\
         <key>Label</key><string>dev.spec-kitty.sync</string>\n\
         <key>ProgramArguments</key><array><string>{}</string><string>sync</string>\
         <string>daemon</string><string>serve</string><string>--stay</string></array>\n\
         <key>EnvironmentVariables</key><dict>{environment}</dict>\n\
         <key>StandardErrorPath</key><string>{}</string>\n<key>RunAtLoad</key><true/>\n\
         <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>\n</dict></plist>\n",
        escape(&program.to_string_lossy()),
        escape(&log.to_string_lossy()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_paths_stay_one_word_in_both_formats() {
        let program = Path::new("/odd \"$x%/<spec&kitty>");
        let variables = [("SPEC_KITTY_HOME", "/a \"b%c$d".to_owned())];
        let unit = unit(program, &variables);
        assert!(
            unit.contains("ExecStart=\"/odd \\\"$$x%%/<spec&kitty>\" sync daemon serve --stay\n"),
            "{unit}"
        );
        assert!(
            unit.contains("Environment=\"SPEC_KITTY_HOME=/a \\\"b%%c$d\"\n"),
            "{unit}"
        );
        let agent = agent(program, &variables, Path::new("/log"));
        assert!(
            agent.contains("/&lt;spec&amp;kitty&gt;</string>"),
            "{agent}"
        );
    }
}
