//! The contract gate from outside: what it refuses, how it says so, and that its two ways of
//! reading agree.

mod artifact;
mod cases;
mod depth;
mod document;
mod properties;
mod rules;
mod vendored;
