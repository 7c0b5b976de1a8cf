//! The loop between gate, log and world: write down, then act; act, then write down.

use super::config::GateConfig;
use super::core::{Gate, Standing, State};
use super::digest;
use super::facts::{Effect, Input};
use super::log::{Log, LogError};
use super::world::{World, WorldError};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::{Filesystem, read_all};
use kitty_runtime::time::{SharedTime, iso};
use std::path::{Path, PathBuf};

/// The log within the directory of a gate.
pub const LOG: &str = "gate.jsonl";
/// The copy of its configuration, so that the log can be judged by itself later.
pub const CONFIG: &str = "config.json";

/// A gate that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The outside.
    #[error("the gate stays at {at}: {source}")]
    World {
        /// Where it stays.
        at: State,
        /// What is the matter.
        source: WorldError,
    },
    /// What the log says does not follow from the configuration.
    #[error(
        "the log says {logged}, but this configuration leads to {found}. The log or the \
         configuration was changed; start a new gate."
    )]
    Divergent {
        /// What the log says.
        logged: String,
        /// What follows.
        found: String,
    },
    /// The configuration is another one.
    #[error("the gate was begun with another configuration; start a new gate for this one")]
    OtherConfiguration,
    /// The gate has not come that far.
    #[error("the gate cannot go on from {0}: it has not come that far")]
    Ahead(State),
}

/// A gate with its log.
#[derive(Debug)]
pub struct Driver<'a> {
    gate: Gate,
    log: Log<'a>,
    time: SharedTime,
    filesystem: &'a dyn Filesystem,
    /// The copy of the configuration.
    copy: PathBuf,
    config: String,
    reached: State,
}

impl<'a> Driver<'a> {
    /// Opens the gate of a directory, which is created; it stands where its log ends.
    ///
    /// The caller holds the lock of the directory.
    ///
    /// # Errors
    /// [`GateError`].
    pub fn open(
        filesystem: &'a dyn Filesystem,
        directory: &Path,
        config: &GateConfig,
        time: SharedTime,
    ) -> Result<Self, GateError> {
        crashsafe::create_dir_all(filesystem, directory).map_err(|source| LogError::Io {
            path: directory.display().to_string(),
            source,
        })?;
        Self::read(filesystem, directory, config, time)
    }

    /// Reads the gate of a directory and changes nothing; it stands where its log ends.
    ///
    /// # Errors
    /// [`GateError`].
    pub fn read(
        filesystem: &'a dyn Filesystem,
        directory: &Path,
        config: &GateConfig,
        time: SharedTime,
    ) -> Result<Self, GateError> {
        let path = directory.join(LOG);
        let (log, entries) = Log::open(filesystem, &path)?;
        let mut driver = Self {
            gate: Gate::new(config.clone()),
            log,
            time,
            filesystem,
            copy: directory.join(CONFIG),
            config: digest(&canonical(config)),
            reached: State::Idle,
        };
        for entry in entries {
            driver.replay(&entry.input, &entry.to)?;
        }
        Ok(driver)
    }

    fn replay(&mut self, input: &Input, logged: &Standing) -> Result<(), GateError> {
        if let Input::Activated { config, .. } = input
            && *config != self.config
        {
            return Err(GateError::OtherConfiguration);
        }
        self.gate.step(input);
        self.reached = self.reached.max(self.gate.standing().state());
        if self.gate.standing() == logged {
            return Ok(());
        }
        Err(GateError::Divergent {
            logged: logged.to_string(),
            found: self.gate.standing().to_string(),
        })
    }

    /// Returns the gate.
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Returns how far the gate ever came.
    #[must_use]
    pub const fn reached(&self) -> State {
        self.reached
    }

    /// Returns the digest of the last line of the log.
    #[must_use]
    pub fn head(&self) -> &str {
        self.log.head()
    }

    /// Activates the gate, where it stands or further back.
    ///
    /// # Errors
    /// [`GateError`].
    pub fn activate(&mut self, from: Option<State>) -> Result<(), GateError> {
        if let Some(from) = from.filter(|from| *from > self.reached) {
            return Err(GateError::Ahead(from));
        }
        self.keep_config()?;
        let at = self.time.now().as_second();
        let config = self.config.clone();
        self.record(&Input::Activated { at, config, from })
    }

    /// Writes the configuration beside the log, unless it is there.
    fn keep_config(&self) -> Result<(), LogError> {
        let bytes = canonical(self.gate.config());
        if read_all(self.filesystem, &self.copy).ok().as_deref() == Some(&bytes) {
            return Ok(());
        }
        let kept = crashsafe::replace(self.filesystem, &self.copy, &bytes, Durability::PowerCut);
        kept.map_err(|source| LogError::Io {
            path: self.copy.display().to_string(),
            source,
        })
    }

    /// Does the one next thing; `None` when the gate stopped or is complete.
    ///
    /// # Errors
    /// [`GateError`]; what was written down before stays.
    pub fn advance(&mut self, world: &mut dyn World) -> Result<Option<Effect>, GateError> {
        let Some(effect) = self.gate.next() else {
            return Ok(None);
        };
        let at = self.gate.standing().state();
        let failed = |source| GateError::World { at, source };
        match &effect {
            Effect::Ask(question) => {
                let answer = world.answer(question, &self.gate).map_err(failed)?;
                self.record(&Input::Answered(answer))?;
            }
            Effect::Do(act) => {
                self.record(&Input::Intended(act.clone()))?;
                let witness = world.perform(act).map_err(failed)?;
                let id = act.id.clone();
                self.record(&Input::Done { id, witness })?;
            }
        }
        Ok(Some(effect))
    }

    fn record(&mut self, input: &Input) -> Result<(), GateError> {
        let mut next = self.gate.clone();
        next.step(input);
        let at = iso(self.time.now());
        self.log
            .append(at, input, self.gate.standing(), next.standing())?;
        self.reached = self.reached.max(next.standing().state());
        self.gate = next;
        Ok(())
    }
}

/// The bytes that stand for a configuration, whatever its file looks like.
fn canonical(config: &GateConfig) -> Vec<u8> {
    serde_json::to_vec(config).expect("a configuration is JSON")
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the tests damage a log as nothing of ours would"
)]
mod tests;
