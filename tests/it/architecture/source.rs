//! The files of the workspace as the rules see them.

use super::lexer::{Kind, Token, tokens};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What a rule found: where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub place: String,
    pub advice: String,
}

/// A text file, with its path relative to the workspace and `/` between names.
#[derive(Debug, Clone)]
pub struct TextFile {
    pub path: String,
    pub text: String,
}

impl TextFile {
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    pub fn finding(&self, line: usize, advice: impl Into<String>) -> Finding {
        Finding {
            place: format!("{}:{line}", self.path),
            advice: advice.into(),
        }
    }

    pub fn is_below(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    pub fn extension(&self) -> &str {
        self.path
            .rsplit_once('.')
            .map_or("", |(_, extension)| extension)
    }
}

/// A Rust file in tokens, without comments.
#[derive(Debug, Clone)]
pub struct RustFile {
    pub file: TextFile,
    pub code: Vec<Token>,
    /// Which tokens are only compiled for tests.
    test: Vec<bool>,
    /// The whole file is for tests, examples, benches or the build.
    support: bool,
}

impl RustFile {
    pub fn new(path: &str, text: &str) -> Self {
        let code: Vec<Token> = tokens(text)
            .into_iter()
            .filter(|token| token.kind != Kind::Comment)
            .collect();
        let test = test_tokens(&code);
        Self {
            support: is_support(path),
            file: TextFile::new(path, text),
            code,
            test,
        }
    }

    /// Walks what becomes part of the program: no tests, examples, benches, build scripts.
    pub fn program(&self) -> impl Iterator<Item = (usize, &Token)> {
        let support = self.support;
        self.all()
            .filter(move |(at, _)| !support && !self.test[*at])
    }

    /// Walks every token that is not a comment.
    pub fn all(&self) -> impl Iterator<Item = (usize, &Token)> {
        self.code.iter().enumerate()
    }

    /// Tells whether these words and marks begin at a token.
    pub fn reads(&self, at: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(offset, word)| {
            self.code
                .get(at + offset)
                .is_some_and(|token| token.is(word))
        })
    }

    pub fn finding(&self, token: &Token, advice: impl Into<String>) -> Finding {
        self.file.finding(token.line, advice)
    }

    /// Every path written out, `use` lists expanded: its segments, and its first token.
    pub fn paths(&self) -> Vec<(Vec<String>, usize)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.code.len() {
            if self.code[at].is("use") {
                at = self.use_tree(at + 1, &mut Vec::new(), &mut found);
            } else if self.code[at].kind == Kind::Word {
                let (segments, end) = self.segments(at);
                found.push((segments, at));
                at = end;
            } else {
                at += 1;
            }
        }
        found
    }

    /// Reads `a::b::c`.
    fn segments(&self, start: usize) -> (Vec<String>, usize) {
        let mut segments = vec![self.code[start].text.clone()];
        let mut at = start + 1;
        while self.reads(at, &["::"]) && self.code.get(at + 1).is_some_and(|t| t.kind == Kind::Word)
        {
            segments.push(self.code[at + 1].text.clone());
            at += 2;
        }
        (segments, at)
    }

    fn use_tree(
        &self,
        mut at: usize,
        prefix: &mut Vec<String>,
        found: &mut Vec<(Vec<String>, usize)>,
    ) -> usize {
        let (depth, start) = (prefix.len(), at);
        while let Some(token) = self.code.get(at) {
            match token.text.as_str() {
                "::" => at += 1,
                "{" => {
                    at += 1;
                    while self.code.get(at).is_some_and(|token| !token.is("}")) {
                        at = self.use_tree(at, prefix, found);
                        at += usize::from(self.reads(at, &[","]));
                    }
                    prefix.truncate(depth);
                    return at + 1;
                }
                _ if token.kind == Kind::Word && !token.is("as") => {
                    prefix.push(token.text.clone());
                    at += 1;
                }
                _ => break,
            }
        }
        // `use<'a>` in a bound names nothing that is imported.
        if !prefix.is_empty() {
            found.push((prefix.clone(), start));
        }
        prefix.truncate(depth);
        while self
            .code
            .get(at)
            .is_some_and(|token| ![",", "}", ";"].iter().any(|mark| token.is(mark)))
        {
            at += 1;
        }
        at
    }

    pub fn is_program(&self, at: usize) -> bool {
        !self.support && !self.test[at]
    }
}

/// Marks the items that stand below `#[cfg(test)]` or `#[test]`.
fn test_tokens(code: &[Token]) -> Vec<bool> {
    let mut marked = vec![false; code.len()];
    let reads = |at: usize, words: &[&str]| {
        words
            .iter()
            .enumerate()
            .all(|(offset, word)| code.get(at + offset).is_some_and(|token| token.is(word)))
    };
    let mut at = 0;
    while at < code.len() {
        let begins = reads(at, &["#", "[", "cfg", "(", "test", ")", "]"])
            || reads(at, &["#", "[", "test", "]"]);
        if !begins {
            at += 1;
            continue;
        }
        let end = item_end(code, at);
        marked[at..end].fill(true);
        at = end;
    }
    marked
}

/// Returns the end of the item that begins with these attributes: its `;` or its block.
fn item_end(code: &[Token], start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while let Some(token) = code.get(at) {
        match token.text.as_str() {
            _ if token.kind != Kind::Mark => {}
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    code.len()
}

fn is_support(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name == "build.rs"
        || name == "tests.rs"
        || path.starts_with("tests/")
        || path.starts_with("benches/")
        || ["/tests/", "/examples/", "/benches/"]
            .iter()
            .any(|folder| path.contains(folder))
}

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package lies in the workspace")
}

/// Every file that is, or would be, committed: tracked ones and new ones that are not ignored.
pub fn files() -> &'static [TextFile] {
    static FILES: OnceLock<Vec<TextFile>> = OnceLock::new();
    FILES.get_or_init(|| {
        let output = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(workspace())
            .output()
            .unwrap();
        assert!(output.status.success(), "git ls-files failed: {output:?}");
        let names = String::from_utf8(output.stdout).unwrap();
        let names: BTreeSet<&str> = names.split('\0').filter(|name| !name.is_empty()).collect();
        let files: Vec<TextFile> = names.into_iter().filter_map(read).collect();
        assert!(files.len() > 100, "git lists only {} files", files.len());
        files
    })
}

/// Reads a file; one that was deleted and is still tracked, and one that is no text, do not count.
fn read(path: &str) -> Option<TextFile> {
    let bytes = std::fs::read(workspace().join(PathBuf::from(path))).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    Some(TextFile::new(path, &text))
}

/// Every Rust file of the workspace.
pub fn rust_files() -> &'static [RustFile] {
    static FILES: OnceLock<Vec<RustFile>> = OnceLock::new();
    FILES.get_or_init(|| {
        let rust = files().iter().filter(|file| file.extension() == "rs");
        let mut parsed: Vec<RustFile> = rust
            .map(|file| RustFile::new(&file.path, &file.text))
            .collect();
        let only_tests = modules_of_tests(&parsed);
        for file in &mut parsed {
            file.support |= only_tests.iter().any(|module| {
                file.file.path == format!("{module}.rs")
                    || file.file.path.starts_with(&format!("{module}/"))
            });
        }
        parsed
    })
}

/// Finds `#[cfg(test)] mod name;` and returns the paths of these modules without `.rs`.
fn modules_of_tests(files: &[RustFile]) -> Vec<String> {
    let mut modules = Vec::new();
    for file in files {
        let stem = file.file.path.trim_end_matches(".rs");
        let (parent, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        let folder = if ["lib", "main"].contains(&name) {
            parent
        } else {
            stem
        };
        for (at, _) in file.all() {
            let declares = file.test[at] && file.reads(at, &["mod"]) && file.reads(at + 2, &[";"]);
            if declares {
                modules.push(format!("{folder}/{}", file.code[at + 1].text));
            }
        }
    }
    modules
}

#[test]
fn use_lists_are_expanded_and_paths_read_whole() {
    let file = RustFile::new(
        "a/src/x.rs",
        "use std::{fs::{self, File}, net::TcpStream as T};\nfn f() { tokio::time::sleep(x); }",
    );
    let paths: Vec<String> = file
        .paths()
        .into_iter()
        .map(|(path, _)| path.join("::"))
        .collect();
    for expected in [
        "std::fs::self",
        "std::fs::File",
        "std::net::TcpStream",
        "tokio::time::sleep",
    ] {
        assert!(
            paths.iter().any(|path| path == expected),
            "{expected}: {paths:?}"
        );
    }
}

#[test]
fn test_items_and_test_files_are_not_part_of_the_program() {
    let file = RustFile::new(
        "a/src/x.rs",
        "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { if x { y } } }\n#[test]\nfn c() {}\nfn d() {}",
    );
    let names: Vec<&str> = file
        .program()
        .filter(|(at, _)| *at > 0 && file.code[at - 1].is("fn"))
        .map(|(_, token)| token.text.as_str())
        .collect();
    assert_eq!(names, ["a", "d"]);
    assert!(
        RustFile::new("a/src/x/tests.rs", "fn a() {}")
            .program()
            .next()
            .is_none()
    );
}
