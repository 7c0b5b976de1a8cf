//! The exit codes: one table, documented in `docs/exit-codes.md`, stable for scripts.

use std::fmt::Write as _;
use std::process::ExitCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $meaning:literal;)*) => {
        /// How a run of the program ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Exit {
            $(
                #[doc = $meaning]
                $name,
            )*
        }

        impl Exit {
            /// Every code, in order.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the number.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }

            /// Returns what the number means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

codes! {
    Success = 0, "Done. Of a delivery: nothing of this project waits to be sent; what the server has queued counts as sent.";
    Failed = 1, "Not done. Of a delivery: at least one event was rejected by the server or quarantined by the gate.";
    Refused = 2, "Refused before anything happened: unknown command or option, or the identity boundary does not match.";
    Blocked = 3, "Nothing may be sent now: not logged in, no server, no Private Teamspace, or the server forbids it. Everything is kept.";
    NeedsMigration = 4, "The project must be migrated first: run `spec-kitty upgrade`.";
    TooNew = 5, "The project was written by a newer release than this one.";
    Pending = 6, "Events wait to be sent: the server could not be reached or asked to wait, or another process delivers. They are kept and sent by a later run.";
    Internal = 70, "A fault of this program; nothing acknowledged is lost. Please report it.";
    Interrupted = 130, "Interrupted from the keyboard.";
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Renders `docs/exit-codes.md`.
#[must_use]
pub fn reference_page() -> String {
    let mut page = String::from(
        "# Exit codes\n\n\
         Generated from `cli/src/exit.rs`; `UPDATE_DOCS=1 cargo test generated_pages` rewrites it.\n\n\
         | Code | Meaning |\n|---|---|\n",
    );
    for exit in Exit::ALL {
        writeln!(page, "| {} | {} |", exit.code(), exit.meaning())
            .expect("writing to a string cannot fail");
    }
    page.push_str(
        "\nA delivery (`sync now`) ends with the first that applies: 3 blocked, 1 failed, 6 pending, 0. \
         With `--no-strict` the codes 1 and 6 become 0. \
         `--json` says how it ended in `outcome`, whatever the code: `delivered`, `pending` (also when the \
         server has queued the rest), `blocked`, `failed`.\n",
    );
    page
}
