//! Which Private Teamspace may receive events: the first private one, never a default or shared one.

use super::messages::{IngressAnswer, IngressSkipped};
use kitty_runtime::target::DeliveryTarget;

/// What is known of the account that is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The server's id of the user.
    pub user_id: String,
    /// The account's first private team, if it is known to have one.
    pub private_team: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Somebody asks.
    Asked {
        /// Whether hosted sync is on.
        hosted_sync: bool,
        /// The configured server.
        server: Option<String>,
    },
    /// The session was looked at; `None` when only a server knows whose token it is.
    Session(Result<Option<Account>, String>),
    /// It was looked up whether a fruitless lookup is remembered.
    Remembered(bool),
    /// The server was asked for the account's teams.
    LookedUp(Lookup),
}

/// What the server said about the account's teams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// There is a private team, and this is whose.
    Private {
        /// The server's id of the user.
        user_id: String,
        /// The team.
        team: String,
    },
    /// There is none.
    None,
    /// The session ended meanwhile.
    NotAuthenticated(String),
    /// The server could not be asked.
    Failed(String),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Look at the session, without the network.
    LookAtSession,
    /// Look up whether this account's lookup was fruitless a short time ago.
    Remember(String),
    /// Ask the server for the account's teams, once.
    LookUp,
    /// Remember that the lookup was fruitless.
    NoteFruitless(String),
    /// Answer.
    Answer(IngressAnswer),
}

/// One resolution.
#[derive(Debug, Clone)]
pub struct IngressCore {
    endpoint: &'static str,
    server: Option<String>,
    /// Whose lookup is remembered.
    user_id: Option<String>,
}

impl IngressCore {
    /// Creates a resolution that has not begun.
    #[must_use]
    pub const fn new(endpoint: &'static str) -> Self {
        Self {
            endpoint,
            server: None,
            user_id: None,
        }
    }

    /// Takes in what happened and says what is to be done.
    pub fn step(&mut self, input: Input) -> Vec<Effect> {
        match input {
            Input::Asked {
                hosted_sync: false, ..
            } => answer(IngressAnswer::Off),
            Input::Asked { server: None, .. } => answer(IngressAnswer::NoHost),
            Input::Asked { server, .. } => {
                self.server = server;
                vec![Effect::LookAtSession]
            }
            Input::Session(Err(message)) => answer(IngressAnswer::NotAuthenticated { message }),
            Input::Session(Ok(Some(account))) => self.with_account(account),
            // Nothing is remembered of a token that names nobody.
            Input::Session(Ok(None)) => vec![Effect::LookUp],
            Input::Remembered(true) => answer(self.skipped(false, None)),
            Input::Remembered(false) => vec![Effect::LookUp],
            Input::LookedUp(lookup) => self.looked_up(lookup),
        }
    }

    fn with_account(&mut self, account: Account) -> Vec<Effect> {
        match account.private_team {
            Some(team) => answer(self.direct(account.user_id, team)),
            None => {
                let remember = Effect::Remember(account.user_id.clone());
                self.user_id = Some(account.user_id);
                vec![remember]
            }
        }
    }

    fn looked_up(&self, lookup: Lookup) -> Vec<Effect> {
        match lookup {
            Lookup::Private { user_id, team } => answer(self.direct(user_id, team)),
            Lookup::NotAuthenticated(message) => {
                answer(IngressAnswer::NotAuthenticated { message })
            }
            Lookup::None => self.fruitless(None),
            Lookup::Failed(why) => self.fruitless(Some(why)),
        }
    }

    fn fruitless(&self, lookup_failed: Option<String>) -> Vec<Effect> {
        let note = self.user_id.clone().map(Effect::NoteFruitless);
        let skipped = Effect::Answer(self.skipped(true, lookup_failed));
        note.into_iter().chain([skipped]).collect()
    }

    fn direct(&self, account: String, team: String) -> IngressAnswer {
        match &self.server {
            Some(server) => IngressAnswer::Direct(DeliveryTarget {
                server: server.clone(),
                account,
                team,
            }),
            None => IngressAnswer::NoHost,
        }
    }

    const fn skipped(
        &self,
        rehydrate_attempted: bool,
        lookup_failed: Option<String>,
    ) -> IngressAnswer {
        IngressAnswer::Skipped(IngressSkipped {
            endpoint: self.endpoint,
            rehydrate_attempted,
            lookup_failed,
        })
    }
}

fn answer(answer: IngressAnswer) -> Vec<Effect> {
    vec![Effect::Answer(answer)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: &str = "/api/v1/events/batch/";

    fn begun() -> IngressCore {
        let mut core = IngressCore::new(ENDPOINT);
        let asked = Input::Asked {
            hosted_sync: true,
            server: Some("https://a.example".into()),
        };
        assert_eq!(core.step(asked), [Effect::LookAtSession]);
        core
    }

    fn account(private_team: Option<&str>) -> Input {
        Input::Session(Ok(Some(Account {
            user_id: "u".into(),
            private_team: private_team.map(Into::into),
        })))
    }

    fn found(team: &str) -> Input {
        Input::LookedUp(Lookup::Private {
            user_id: "u".into(),
            team: team.into(),
        })
    }

    fn direct(team: &str) -> Vec<Effect> {
        let target = DeliveryTarget {
            server: "https://a.example".into(),
            account: "u".into(),
            team: team.into(),
        };
        answer(IngressAnswer::Direct(target))
    }

    #[test]
    fn off_is_off_without_a_look_at_anything() {
        let mut core = IngressCore::new(ENDPOINT);
        let asked = Input::Asked {
            hosted_sync: false,
            server: Some("https://a.example".into()),
        };
        assert_eq!(core.step(asked), answer(IngressAnswer::Off));
        let asked = Input::Asked {
            hosted_sync: true,
            server: None,
        };
        assert_eq!(core.step(asked), answer(IngressAnswer::NoHost));
    }

    #[test]
    fn a_private_team_of_the_session_is_used_without_the_network() {
        assert_eq!(
            begun().step(account(Some("t-private"))),
            direct("t-private")
        );
    }

    #[test]
    fn without_one_the_server_is_asked_once_and_its_answer_counts() {
        let mut core = begun();
        assert_eq!(core.step(account(None)), [Effect::Remember("u".into())]);
        assert_eq!(core.step(Input::Remembered(false)), [Effect::LookUp]);
        assert_eq!(core.step(found("t-new")), direct("t-new"));
    }

    #[test]
    fn only_the_server_knows_whose_a_token_of_the_environment_is() {
        let nameless = || {
            let mut core = begun();
            assert_eq!(core.step(Input::Session(Ok(None))), [Effect::LookUp]);
            core
        };
        assert_eq!(nameless().step(found("t-private")), direct("t-private"));
        let [Effect::Answer(IngressAnswer::Skipped(skipped))] =
            &nameless().step(Input::LookedUp(Lookup::None))[..]
        else {
            panic!("nothing to remember it by")
        };
        assert!(skipped.rehydrate_attempted);
        let message = "rejected".to_owned();
        assert_eq!(
            nameless().step(Input::LookedUp(Lookup::NotAuthenticated(message.clone()))),
            answer(IngressAnswer::NotAuthenticated { message })
        );
    }

    #[test]
    fn a_fruitless_lookup_is_skipped_noted_and_not_made_again_while_remembered() {
        for (lookup, why) in [
            (Lookup::None, None),
            (Lookup::Failed("refused".into()), Some("refused")),
        ] {
            let mut core = begun();
            core.step(account(None));
            core.step(Input::Remembered(false));
            let effects = core.step(Input::LookedUp(lookup));
            assert_eq!(effects[0], Effect::NoteFruitless("u".into()));
            let skipped = IngressSkipped {
                endpoint: ENDPOINT,
                rehydrate_attempted: true,
                lookup_failed: why.map(Into::into),
            };
            assert_eq!(effects[1], Effect::Answer(IngressAnswer::Skipped(skipped)));
        }
        let mut core = begun();
        core.step(account(None));
        let [Effect::Answer(IngressAnswer::Skipped(skipped))] =
            &core.step(Input::Remembered(true))[..]
        else {
            panic!("a remembered lookup must be skipped")
        };
        assert!(!skipped.rehydrate_attempted);
    }

    #[test]
    fn nobody_logged_in_is_told_apart_from_nobody_to_send_to() {
        let answer_of = |input| begun().step(input);
        let message = "log in".to_owned();
        assert_eq!(
            answer_of(Input::Session(Err(message.clone()))),
            answer(IngressAnswer::NotAuthenticated { message })
        );
    }

    #[test]
    fn the_warning_is_the_dictionary_of_the_python_cli() {
        let skipped = IngressSkipped {
            endpoint: ENDPOINT,
            rehydrate_attempted: true,
            lookup_failed: None,
        };
        assert_eq!(
            skipped.warning(),
            "direct ingress skipped: {'category': 'direct_ingress_missing_private_team', \
             'rehydrate_attempted': True, 'ingress_sent': False, 'endpoint': '/api/v1/events/batch/'}"
        );
    }
}
