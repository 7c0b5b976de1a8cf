//! A Teamspace with a tracker, and a machine whose owner is a member of the shared team.

use super::daemons::DaemonMachine;
use super::sandbox::Sandbox;
use super::teamspace::Teamspace;
use serde_json::Value;

const MEMBER: &str = "ann@example.invalid";
const TEAM: &str = "crew";

/// The server, and a machine that is logged in to it; what a command started ends with it.
pub struct Crew {
    pub machine: DaemonMachine,
    pub teamspace: Teamspace,
}

impl Crew {
    /// Starts the server with these issues and logs a machine in, which has a real repository.
    pub fn with_issues(seed: &Value) -> Self {
        let teamspace = Self::teamspace(seed);
        let machine = DaemonMachine::of(Sandbox::hosted(teamspace.url()));
        Self::log_in_to(&teamspace, &machine);
        Self { machine, teamspace }
    }

    /// Starts the server alone.
    pub fn teamspace(seed: &Value) -> Teamspace {
        let teamspace = Teamspace::start();
        teamspace.add_member(MEMBER, TEAM);
        teamspace.seed_issues(TEAM, seed);
        teamspace
    }

    /// Logs a machine in as the member.
    pub fn log_in_to(teamspace: &Teamspace, machine: &Sandbox) {
        teamspace.log_in_as(machine, MEMBER, &[]);
    }

    /// Puts more issues into the tracker, or newer versions of them.
    pub fn seed(&self, seed: &Value) {
        self.teamspace.seed_issues(TEAM, seed);
    }

    /// Drops a binding on the server's side.
    pub fn drop_binding(&self, reference: &str) {
        self.teamspace.drop_binding(TEAM, reference).expect_code(0);
    }

    /// Asks the tracker of the server directly, not through the program.
    #[track_caller]
    pub fn tracker(&self, question: &str) -> Value {
        Self::ask(&self.teamspace, &self.machine, question)
    }

    #[track_caller]
    fn ask(teamspace: &Teamspace, machine: &Sandbox, question: &str) -> Value {
        let session = machine.session().unwrap().session;
        let path = format!("/api/v1/tracker/{question}");
        let token = session.access_token.expose();
        let answer = teamspace.get_of_team(&path, token, TEAM);
        let body = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// How many pushes and runs the server has carried out.
    #[track_caller]
    pub fn operations(&self) -> i64 {
        Self::operations_at(&self.teamspace, &self.machine)
    }

    /// How many pushes and runs a server has carried out, as a machine's owner is told.
    #[track_caller]
    pub fn operations_at(teamspace: &Teamspace, machine: &Sandbox) -> i64 {
        let status = Self::ask(teamspace, machine, "status/?provider=linear");
        status["operation_count"].as_i64().unwrap()
    }

    /// The reference that the project is bound to, as its file says.
    #[track_caller]
    pub fn reference(&self) -> String {
        let config = std::fs::read_to_string(self.machine.repo().join(".kittify/config.yaml"));
        let config: serde_yaml_ng::Value = serde_yaml_ng::from_str(&config.unwrap()).unwrap();
        config["tracker"]["binding_ref"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}
