//! The daemon's WebSocket: when it is opened, for whom, and what it says about the machine.

use super::drains::LET_GO;
use super::heartbeat::checkout_identity;
use crate::hosted::Hosted;
use crate::invocation::Invocation;
use crate::project::scope;
use kitty_actors::websocket::core::{NotOpen, Status};
use kitty_actors::websocket::dial::{Dialled, dial};
use kitty_actors::websocket::{LineSurroundings, Standing};
use kitty_config::EventSyncMode;
use kitty_runtime::consent::Consent;
use kitty_runtime::diagnostic::Diagnostic;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::ipc::protocol::WebSocketHealth;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The code of the warning that only batches are sent (reference 6).
pub const WEBSOCKET_OFFLINE: &str = "sync.websocket_offline";

/// The checkout that was named last, which is the build that the daemon speaks for.
#[derive(Debug, Clone, Default)]
pub struct WorkedIn(Rc<RefCell<Option<Place>>>);

#[derive(Debug)]
struct Place {
    project: ProjectUuid,
    checkout: PathBuf,
    /// Its build, once it was looked up.
    build_id: Option<String>,
}

impl WorkedIn {
    /// Remembers that a project is worked in.
    pub fn noticed(&self, project: &str, checkout: &Path) {
        let Ok(project) = project.parse() else { return };
        let mut place = self.0.borrow_mut();
        if place
            .as_ref()
            .is_some_and(|place| place.checkout == checkout && place.project == project)
        {
            return;
        }
        *place = Some(Place {
            project,
            checkout: checkout.to_owned(),
            build_id: None,
        });
    }

    /// Returns the build, unless its project has opted out: then nothing of it leaves.
    fn build_id(&self, invocation: &Invocation) -> Option<String> {
        let mut place = self.0.borrow_mut();
        let place = place.as_mut()?;
        let paths = scope(invocation, place.project).paths;
        if Consent::read(&*invocation.filesystem, &paths) == Consent::Refused {
            return None;
        }
        if place.build_id.is_none() {
            let identity = checkout_identity(invocation, place.project, &place.checkout);
            place.build_id = identity.ok()?.map(|(_, known)| known.build_id.to_string());
        }
        place.build_id.clone()
    }
}

/// Returns what the line needs of this process.
pub fn surroundings<'a>(
    invocation: &'a Invocation,
    server: Option<&'a str>,
    worked_in: WorkedIn,
    log: impl Fn(&str) + 'a,
) -> LineSurroundings<'a> {
    LineSurroundings {
        dial: Box::new(move || Box::pin(open(invocation, server))),
        build_id: Box::new(move || worked_in.build_id(invocation)),
        on_change: Box::new(move |standing| report(standing, &log)),
        jitter: Box::new(|| jitter(invocation)),
    }
}

/// Returns something random, 0 to 1000: the low digits of the clock differ between machines, which
/// is all that is asked of them.
pub fn jitter(invocation: &Invocation) -> u64 {
    u64::from(invocation.time.now().subsec_nanosecond().unsigned_abs() / 1_000 % 1_001)
}

/// Opens the line with actors of its own, which end with the attempt.
async fn open(invocation: &Invocation, server: Option<&str>) -> Result<Dialled, NotOpen> {
    let settings = invocation.settings();
    let unwanted = |why: &str| Err(NotOpen::Unwanted(why.to_owned()));
    if settings.event_sync_mode() != EventSyncMode::Teamspace {
        return unwanted("events stay on this machine (sync mode)");
    }
    let configured = invocation.server(&settings);
    if configured.as_ref().map(ToString::to_string).as_deref() != server {
        return unwanted("another server is configured now");
    }
    let hosted = Hosted::start(invocation, &settings);
    let dialled = dial(&hosted.system.dial()).await;
    let _ = tokio::time::timeout(LET_GO, hosted.shut_down()).await;
    dialled
}

fn report(standing: &Standing, log: &impl Fn(&str)) {
    let word = standing.status.as_str();
    match (standing.status, &standing.trouble) {
        (Status::Connecting, _) => {}
        (Status::Offline | Status::OfflineBatchMode, Some(why)) => {
            log(&format!("WebSocket {word}: {why}"));
            let message = format!("The WebSocket is offline: {why}; batches deliver the events.");
            log(&Diagnostic::warning(WEBSOCKET_OFFLINE, "daemon", message).to_string());
        }
        (Status::Reconnecting, Some(why)) => log(&format!("WebSocket {word}: {why}")),
        _ => log(&format!("WebSocket {word}")),
    }
}

/// Returns how the line stands, as the daemon says it.
pub fn health(standing: &Standing) -> WebSocketHealth {
    let open = standing.status == Status::Connected;
    WebSocketHealth {
        status: standing.status.as_str().to_owned(),
        told: standing.told,
        answered: standing.answered,
        trouble: standing.trouble.clone().filter(|_| !open),
        diagnostic_code: (!open && standing.trouble.is_some())
            .then(|| WEBSOCKET_OFFLINE.to_owned()),
    }
}
