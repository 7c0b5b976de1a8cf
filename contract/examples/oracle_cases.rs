//! Prints random cases with the gate's verdicts, for the Python oracle to compare.
//!
//! `cargo run --release -p kitty-contract --example oracle_cases -- 100000 | derive/oracle.py --compare`

use std::io::{self, BufWriter, Write as _};

use kitty_contract::Gate;
use serde_json::json;

#[path = "../tests/contract/cases.rs"]
#[allow(dead_code)]
mod cases;
#[path = "../tests/contract/document.rs"]
mod document;

fn main() -> io::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let count = numbers.next().and_then(Result::ok).unwrap_or(1000);
    let first = numbers.next().and_then(Result::ok).unwrap_or(0);
    let mut out = BufWriter::new(io::stdout().lock());
    for seed in first..first + count {
        let case = cases::case(seed);
        let verdict = case.verdict(Gate::vendored());
        writeln!(
            out,
            "{}",
            json!({"context": case.context, "text": case.text, "verdict": verdict})
        )?;
    }
    out.flush()
}
