//! Compiles the vendored artifact to constants, with the library's own compiler.
//!
//! Reading and compiling the artifact costs some 200 microseconds, which every command that sends
//! or queues something would pay. A unit test holds that the constants are what
//! `Gate::from_artifact` makes of the same text.

// The library's modules are read as they are; the script needs only the way to their tables.
#![allow(dead_code, unreachable_pub)]

use std::env;
use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;

#[path = "src/artifact.rs"]
mod artifact;
#[path = "src/compile.rs"]
mod compile;
#[path = "src/conditions.rs"]
mod conditions;
#[path = "src/formats.rs"]
mod formats;
#[path = "src/tables.rs"]
mod tables;

const ARTIFACT: &str = "artifact/upstream_contract.json";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ARTIFACT}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src");
    let text = fs::read_to_string(ARTIFACT)?;
    let tables = compile::compile(&serde_json::from_str(&text)?)?;
    #[allow(clippy::disallowed_methods)] // Cargo's variable, at build time
    let out = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    let mut file = fs::File::create(Path::new(&out).join("vendored.rs"))?;
    file.write_all(constants(&tables).as_bytes())?;
    Ok(())
}

/// The tables as an item of Rust: the debug form of a list of plain structs is an expression.
fn constants(tables: &tables::Tables) -> String {
    let lists = [
        ("pool", format!("{:?}", tables.pool)),
        ("words", format!("&{:?}", tables.words)),
        ("shapes", format!("&{:?}", tables.shapes)),
        ("strings", format!("&{:?}", tables.strings)),
        ("numbers", format!("&{:?}", tables.numbers)),
        ("arrays", format!("&{:?}", tables.arrays)),
        ("objects", format!("&{:?}", tables.objects)),
        ("entries", format!("&{:?}", tables.entries)),
        ("starts", format!("&{:?}", tables.starts)),
        ("conditions", format!("&{:?}", tables.conditions)),
        ("atoms", format!("&{:?}", tables.atoms)),
        ("rows", format!("&{:?}", tables.rows)),
        ("slots", format!("&{:?}", tables.slots)),
        ("packages", format!("&{:?}", tables.packages)),
    ];
    let plain = [
        ("roots", format!("{:?}", tables.roots)),
        ("payloads", format!("{:?}", tables.payloads)),
        ("payload_field", format!("{:?}", tables.payload_field)),
        ("max_depth", format!("{:?}", tables.max_depth)),
        ("origin", format!("{:?}", tables.origin)),
        ("orchestrator_api", format!("{:?}", tables.orchestrator_api)),
    ];
    let lists = lists.map(|(name, value)| format!("    {name}: Cow::Borrowed({value}),\n"));
    let plain = plain.map(|(name, value)| format!("    {name}: {value},\n"));
    format!(
        "pub(crate) static TABLES: Tables = Tables {{\n{}{}}};\n",
        lists.concat(),
        plain.concat()
    )
}
