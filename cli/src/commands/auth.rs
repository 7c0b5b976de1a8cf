//! `auth login|logout|status|whoami`; `doctor` is a file of its own.

use super::auth_doctor::AuthDoctorArgs;
use crate::daemon::control;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hosted::{Hosted, session_store, within_actors};
use crate::invocation::Invocation;
use crate::printer::Printer;
use clap::{Args, Subcommand};
use kitty_actors::auth::flows::{
    Browser, LoginError, LoginPorts, LoginProgress, LoginStep, log_in_with_browser,
    log_in_with_device,
};
use kitty_actors::auth::messages::{
    GetRevocation, GetSession, LoggedOut, Logout, Revocation, RevokeToken, SessionAnswer,
    SessionDetail,
};
use kitty_actors::auth::report::{
    already_logged_in_lines, logged_in_lines, login_step_lines, logout_lines, status_lines,
    whoami_line,
};
use kitty_actors::host_memory::{HostMemories, HostMemory};
use kitty_config::policy::DISABLED_MESSAGE;
use kitty_runtime::id::EventIds;
use std::time::Duration;

/// How long an ask of the session's actor may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a logout tries to reach the server.
const REVOKE_LIMIT: Duration = Duration::from_secs(10);

/// Logs in and out, and shows who is logged in.
#[derive(Debug, Subcommand)]
pub enum AuthCommand {
    /// Logs in: in a browser, or with --headless with a code on another device
    Login(LoginArgs),
    /// Ends the session here and at the server
    Logout {
        /// Accepted for compatibility
        #[arg(long)]
        force: bool,
    },
    /// Shows the session
    Status,
    /// Prints the email address of the account; exit code 1 when nobody is logged in
    Whoami,
    /// Names what is wrong with session, refresh lock and daemon, with the next step
    Doctor(AuthDoctorArgs),
}

impl AuthCommand {
    /// Tells whether a failure is to be printed as JSON on stdout.
    #[must_use]
    pub const fn wants_json(&self) -> bool {
        matches!(self, Self::Doctor(args) if args.json)
    }
}

/// Arguments of `auth login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Shows a code to confirm on another device, instead of opening a browser
    #[arg(long)]
    headless: bool,
    /// Logs in again even if there is a session
    #[arg(long, short)]
    force: bool,
}

/// Runs `auth`.
///
/// # Errors
/// [`Failure`].
pub fn run(invocation: &Invocation, command: &AuthCommand) -> Result<Exit, Failure> {
    within_actors(async {
        match command {
            AuthCommand::Login(args) => tell_daemon(invocation, login(invocation, args).await),
            AuthCommand::Logout { .. } => tell_daemon(invocation, logout(invocation).await),
            AuthCommand::Doctor(args) => super::auth_doctor::run(invocation, args).await,
            AuthCommand::Status => {
                let answer = session(invocation, SessionDetail::Summary).await?;
                for line in status_lines(&answer, invocation.time.now()) {
                    invocation.printer.line(line);
                }
                Ok(Exit::Success)
            }
            AuthCommand::Whoami => {
                let answer = session(invocation, SessionDetail::Summary).await?;
                match whoami_line(&answer) {
                    Some(email) => {
                        invocation.printer.line(email);
                        Ok(Exit::Success)
                    }
                    None => Ok(Exit::Failed),
                }
            }
        }
    })
}

/// Lets a daemon that runs know that the session may be another one.
fn tell_daemon(invocation: &Invocation, done: Result<Exit, Failure>) -> Result<Exit, Failure> {
    if invocation.hosted_sync() {
        control::session_changed(invocation);
    }
    done
}

async fn session(invocation: &Invocation, detail: SessionDetail) -> Result<SessionAnswer, Failure> {
    let store = session_store(invocation)?;
    let hosted = Hosted::with_store(invocation, &invocation.settings(), store);
    let answer = hosted.system.auth().ask(GetSession { detail }, LIMIT).await;
    hosted.shut_down().await;
    answer.map_err(|error| Failure::from_error("session", error))
}

async fn login(invocation: &Invocation, args: &LoginArgs) -> Result<Exit, Failure> {
    let printer = invocation.printer;
    if !invocation.hosted_sync() {
        return Err(Failure::new("rollout_disabled", DISABLED_MESSAGE));
    }
    let settings = invocation.settings();
    let Some(host) = invocation.host(&settings)? else {
        printer.line(
            "X No sync server is configured. Set SPEC_KITTY_SAAS_URL, or run `spec-kitty sync server <url>` \
             (e.g. https://app.spec-kitty.ai), then try again.",
        );
        return Ok(Exit::Failed);
    };
    let store = session_store(invocation)?;
    let hosted = Hosted::with_store(invocation, &settings, store);
    if !args.force {
        let ask = GetSession {
            detail: SessionDetail::Summary,
        };
        let answer = hosted.system.auth().ask(ask, LIMIT).await;
        let answer = answer.map_err(|error| Failure::from_error("session", error))?;
        if let Some(summary) = answer
            .summary
            .as_ref()
            .filter(|_| answer.is_authenticated())
            && summary
                .issuer
                .as_ref()
                .is_none_or(|issuer| *issuer == host.url)
        {
            print_lines(printer, already_logged_in_lines(&summary.email));
            return Ok(Exit::Success);
        }
    }
    let ports = LoginPorts {
        store: hosted.store.clone(),
        transport: hosted.transport.clone(),
        time: invocation.time.clone(),
        pauses: hosted.pauses.clone(),
    };
    let progress = Shown(printer);
    let session = if args.headless {
        log_in_with_device(&host.url, &ports, &progress, interrupted()).await
    } else {
        log_in_with_browser(&host.url, &ports, &SystemBrowser, &progress, interrupted()).await
    };
    let session = session.map_err(login_failed)?;
    HostMemories::new(invocation.filesystem.clone(), &invocation.map)
        .update(&host.url, |memory| *memory = HostMemory::default());
    print_lines(printer, logged_in_lines(&session));
    catch_up_on_revocations(invocation, &hosted).await;
    hosted.shut_down().await;
    Ok(Exit::Success)
}

fn print_lines(printer: Printer, lines: Vec<String>) {
    for line in lines {
        printer.line(line);
    }
}

fn login_failed(error: LoginError) -> Failure {
    match error {
        LoginError::Cancelled => {
            Failure::new("cancelled", "Login cancelled.").exit(Exit::Interrupted)
        }
        other => Failure::from_error("login_failed", other),
    }
}

/// Ends when the person presses control-C.
fn interrupted() -> kitty_actors::auth::flows::Cancel {
    Box::pin(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

struct Shown(Printer);

impl LoginProgress for Shown {
    fn show(&self, step: LoginStep) {
        print_lines(self.0, login_step_lines(&step));
    }
}

#[derive(Debug)]
struct SystemBrowser;

impl Browser for SystemBrowser {
    fn open(&self, url: &str) -> bool {
        open::that_detached(url).is_ok()
    }
}

/// Sends what earlier logouts could not; a failure leaves it to the next command.
async fn catch_up_on_revocations(invocation: &Invocation, hosted: &Hosted) {
    if !invocation.map.machine_scope().inbox_new().is_dir() {
        return;
    }
    if let Err(error) = hosted.system.revocation().send_kept(REVOKE_LIMIT).await {
        tracing::debug!(%error, "kept revocations were not sent");
    }
}

async fn logout(invocation: &Invocation) -> Result<Exit, Failure> {
    let store = session_store(invocation)?;
    let hosted = Hosted::with_store(invocation, &invocation.settings(), store);
    let failed = |error: &dyn std::fmt::Display| Failure::new("logout_failed", error.to_string());
    let auth = hosted.system.auth();
    let revocation = auth
        .ask(GetRevocation, LIMIT)
        .await
        .map_err(|error| failed(&error))?;
    let network = invocation.hosted_sync();
    let kept = match (&revocation, network) {
        (Some(command), true) => keep(invocation, &hosted, command).await,
        _ => false,
    };
    let logged_out = auth
        .ask(Logout, LIMIT)
        .await
        .map_err(|error| failed(&error))?;
    let logged_out: LoggedOut = logged_out.map_err(|error| failed(&error))?;
    let outcome = match (revocation, network) {
        (Some(command), true) => Some(revoke(&hosted, command, kept).await),
        (None, true) => {
            catch_up_on_revocations(invocation, &hosted).await;
            None
        }
        (_, false) => None,
    };
    print_lines(
        invocation.printer,
        logout_lines(logged_out, outcome.as_ref()),
    );
    if !network && logged_out == LoggedOut::SessionDeleted {
        invocation
            .printer
            .note("Hosted sync is off, so the server was not told; its session ends by itself.");
    }
    hosted.shut_down().await;
    Ok(Exit::Success)
}

/// Stores the revocation before the session is deleted, so that a crash cannot leave a session on
/// the server that nobody can end.
async fn keep(invocation: &Invocation, hosted: &Hosted, command: &RevokeToken) -> bool {
    let ids = EventIds::new(invocation.time.clone());
    match hosted.system.revocation().keep(&ids, command).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "the revocation could not be stored and is only tried now");
            false
        }
    }
}

async fn revoke(hosted: &Hosted, command: RevokeToken, kept: bool) -> Revocation {
    if kept {
        match hosted.system.revocation().send_kept(REVOKE_LIMIT).await {
            Ok(mut outcomes) if !outcomes.is_empty() => {
                return outcomes.swap_remove(outcomes.len() - 1);
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "kept revocations were not sent"),
        }
    }
    kitty_actors::auth::revoke(&*hosted.transport, &command.server, &command.refresh_token).await
}
