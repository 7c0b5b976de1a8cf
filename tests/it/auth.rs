//! Logging in and out, and what a session is good for: the real program, the real Teamspace.

mod bound_tokens;
mod environment_token;
mod issuer;
mod login;
mod logout;
mod renewal;
mod secrets;
