//! Temporary repositories with an environment of their own, and looks at their whole state.

use kitty_missions::create::{CreateError, CreatedMission, MissionOptions, Tools, create};
use kitty_missions::files::WorktreeFilesystem;
use kitty_missions::git::GitProgram;
use kitty_missions::project::Project;
use kitty_runtime::fs::Filesystem;
use kitty_runtime::id::EventIds;
use kitty_runtime::time::{TimeSource, system_time};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The version in the answers of these tests.
pub(crate) const VERSION: &str = "0.0.0-test";

/// A directory with a home, an empty system configuration and one repository.
pub(crate) struct Sandbox {
    directory: TempDir,
    pub(crate) root: PathBuf,
}

impl Sandbox {
    /// A project on branch `main` with one commit.
    pub(crate) fn project() -> Self {
        Self::project_at("repo")
    }

    /// The same at a path of the caller's choice below the sandbox.
    pub(crate) fn project_at(below: &str) -> Self {
        let sandbox = Self::bare(below);
        sandbox.git(&["init", "--quiet", "--initial-branch=main"]);
        sandbox.write(".kittify/config.yaml", "# a project\n");
        sandbox.write("src/code.txt", "one\n");
        sandbox.commit_all("first");
        sandbox
    }

    /// Only the directory: no repository, no project.
    pub(crate) fn bare(below: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().canonicalize().unwrap();
        let root = base.join(below);
        std::fs::create_dir_all(&root).unwrap();
        write(
            &base.join("gitconfig"),
            "[user]\n\tname = Test\n\temail = test@example.invalid\n[commit]\n\tgpgsign = false\n",
        );
        std::fs::create_dir(base.join("home")).unwrap();
        Self { directory, root }
    }

    /// The sandbox around the repository.
    pub(crate) fn base(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap()
    }

    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        vec![
            ("PATH".to_owned(), search_path()),
            ("HOME".to_owned(), text(self.base().join("home"))),
            (
                "GIT_CONFIG_GLOBAL".to_owned(),
                text(self.base().join("gitconfig")),
            ),
            ("GIT_CONFIG_NOSYSTEM".to_owned(), "1".to_owned()),
        ]
    }

    pub(crate) fn program(&self) -> GitProgram {
        GitProgram::default().with_only_environment(self.environment())
    }

    /// Runs git in the repository; it must succeed.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.root, arguments)
    }

    pub(crate) fn git_in(&self, directory: &Path, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(directory)
            .env_clear()
            .envs(self.environment())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "git {arguments:?}: {error}");
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        write(&self.root.join(path), text);
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path)).unwrap()
    }

    pub(crate) fn commit_all(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--no-verify", "--message", message]);
    }

    /// Installs an executable hook.
    pub(crate) fn hook(&self, name: &str, script: &str) {
        let path = self.root.join(".git/hooks").join(name);
        write_script(&path, &format!("#!/bin/sh\n{script}\n"));
    }

    pub(crate) fn locate(&self) -> Project {
        Project::locate(&self.program(), &self.root, None).unwrap()
    }

    pub(crate) fn create(&self, slug: &str) -> Result<CreatedMission, CreateError> {
        self.create_with(&options(slug))
    }

    pub(crate) fn create_with(
        &self,
        options: &MissionOptions,
    ) -> Result<CreatedMission, CreateError> {
        self.create_on(&WorktreeFilesystem, options)
    }

    /// Creates with another git than the usual one.
    pub(crate) fn create_through(&self, git: &GitProgram) -> Result<CreatedMission, CreateError> {
        let project = Project::locate(git, &self.root, None).unwrap();
        with_tools(&WorktreeFilesystem, |tools| {
            create(&project, &options("user-auth"), tools)
        })
    }

    pub(crate) fn create_on(
        &self,
        filesystem: &dyn Filesystem,
        options: &MissionOptions,
    ) -> Result<CreatedMission, CreateError> {
        with_tools(filesystem, |tools| create(&self.locate(), options, tools))
    }

    /// Everything that a failed command must leave as it was: files, index, branch and commits.
    pub(crate) fn state(&self) -> State {
        let mut files = BTreeMap::new();
        collect(&self.root, &self.root, &mut files);
        State {
            files,
            index: self.git(&["ls-files", "--stage"]),
            status: self.git(&["status", "--porcelain", "--untracked-files=all"]),
            head: self.git(&["symbolic-ref", "--quiet", "HEAD"]),
            references: self.git(&["for-each-ref"]),
            lock_is_left: self.root.join(".git/index.lock").exists(),
        }
    }

    /// The names below `kitty-specs/`, hidden ones included.
    pub(crate) fn missions(&self) -> Vec<String> {
        names(&self.root.join("kitty-specs"))
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    files: BTreeMap<PathBuf, Vec<u8>>,
    index: String,
    status: String,
    head: String,
    references: String,
    lock_is_left: bool,
}

fn collect(root: &Path, directory: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name() == Some(OsStr::new(".git")) {
            continue;
        }
        let name = path.strip_prefix(root).unwrap().to_owned();
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_dir() {
            files.insert(name, b"directory".to_vec());
            collect(root, &path, files);
        } else if kind.is_symlink() {
            files.insert(name, b"link".to_vec());
        } else {
            files.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(crate) fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Writes an executable script, through another process.
///
/// A file that is written here is open for writing also in every process that another test starts at
/// that moment, and nobody can run it until that process has begun its own program.
pub(crate) fn write_script(path: &Path, script: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut shell = Command::new("/bin/sh")
        .args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(path)
        .env("PATH", search_path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    // The pipe is closed at the end of the statement, which ends `cat`.
    let written = shell.stdin.take().unwrap().write_all(script.as_bytes());
    assert!(shell.wait().unwrap().success() && written.is_ok());
}

pub(crate) fn options(slug: &str) -> MissionOptions {
    MissionOptions {
        slug: slug.to_owned(),
        ..MissionOptions::default()
    }
}

pub(crate) fn with_tools<T>(filesystem: &dyn Filesystem, run: impl FnOnce(&Tools<'_>) -> T) -> T {
    with_tools_at(filesystem, &*system_time(), run)
}

pub(crate) fn with_tools_at<T>(
    filesystem: &dyn Filesystem,
    time: &dyn TimeSource,
    run: impl FnOnce(&Tools<'_>) -> T,
) -> T {
    let ids = EventIds::new(system_time());
    run(&Tools {
        filesystem,
        time,
        ids: &ids,
        version: VERSION,
        witness: &kitty_missions::row_witness::NoWitness,
    })
}

/// The search path of the test process: where git and a shell are.
#[expect(
    clippy::disallowed_methods,
    reason = "tests clear the environment of every child and must pass the search path on"
)]
pub(crate) fn search_path() -> String {
    std::env::var("PATH").unwrap()
}
