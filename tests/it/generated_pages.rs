//! The pages of `docs/` that the program's own tables say.

use crate::support::process::variable;
use crate::support::sandbox::write;
use std::path::Path;

#[test]
fn the_generated_pages_are_what_the_program_says() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for (name, page) in spec_kitty::generated_pages() {
        let path = docs.join(name);
        if variable("UPDATE_DOCS").is_some_and(|value| value == "1") {
            write(&path, &page);
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == page,
            "docs/{name} is not what the program says; \
             `UPDATE_DOCS=1 cargo test generated_pages` rewrites it"
        );
    }
}
