//! The vendored contract as constants, printed by the build script from the artifact.

use std::borrow::Cow;

use crate::conditions::Atom::{AnyPresent, Blank, In, NonePresent, Pair, Sum};
use crate::conditions::Condition;
use crate::formats::Format::{DateTime, Semver, UlidOrUuid, Uuid};
use crate::tables::EntryKind::{Forbidden, ForbiddenAnywhere, Property};
use crate::tables::Role::{EventType, Payload, Plain};
use crate::tables::{
    ArrayRules, Ends, Entry, Names, NumberRules, ObjectRules, OrchestratorWords, Origin, Package,
    Range, Shape, Span, StringRules, Tables, Word, WordLists,
};

include!(concat!(env!("OUT_DIR"), "/vendored.rs"));
