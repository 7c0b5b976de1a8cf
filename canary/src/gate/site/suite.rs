//! The Teamspace suite, four times: it passed when it ended with 0 and its JUnit XML says so.

use super::super::config::GateConfig;
use super::super::core::Gate;
use super::super::facts::SuiteFound;
use super::super::world::WorldError;
use super::Site;
use super::commands::fill;
use crate::artifacts::{ArtifactError, Bundle};
use std::time::Duration;

/// How often it must pass in a row.
const TIMES: u8 = 4;
/// How long one run may take.
const LIMIT: Duration = Duration::from_secs(3600);
/// The folder of its logs and XML within the directory of the gate.
const FOLDER: &str = "teamspace_suite";

/// One run of it.
struct SuiteRun {
    log: Vec<u8>,
    xml: Option<Vec<u8>>,
    passed: bool,
}

impl Site<'_> {
    pub(super) fn run_suite(
        &self,
        config: &GateConfig,
        gate: &Gate,
    ) -> Result<SuiteFound, WorldError> {
        let mut files = Vec::new();
        let mut passed = Vec::new();
        for number in 1..=TIMES {
            let run = self.run_suite_once(config, gate, number)?;
            files.push((format!("teamspace-canary-run-{number}.log"), run.log));
            if let Some(xml) = run.xml {
                files.push((format!("teamspace-canary-run-{number}.xml"), xml));
            }
            passed.push(run.passed);
            if !run.passed {
                break;
            }
        }
        let bundle = self.bundle(super::tag(gate)?, &files);
        let (evidence, digest) = bundle.map_err(WorldError::new)?;
        Ok(SuiteFound {
            evidence,
            digest,
            passed,
        })
    }

    fn run_suite_once(
        &self,
        config: &GateConfig,
        gate: &Gate,
        number: u8,
    ) -> Result<SuiteRun, WorldError> {
        let xml = self.scratch.path(&format!("suite-{number}.xml"));
        let installed = super::installed(gate)?;
        let key = self.path(&config.server.approval_key_file);
        let places = [
            ("{run}", &*number.to_string()),
            ("{xml}", &*xml.to_string_lossy()),
            ("{server}", &*config.server.url),
            ("{account}", &*config.server.account),
            ("{approval_key_file}", &*key.to_string_lossy()),
            ("{program}", &*installed.program),
            ("{prefix}", &*installed.prefix),
        ];
        let words = fill(&config.suite, &places);
        let (log, ended_well) = match self.commands().run(&words, &self.base, LIMIT) {
            Err(error) => (format!("{error}\n"), false),
            Ok(called) => {
                let told = called
                    .code
                    .map_or_else(|| "a signal".into(), |it| it.to_string());
                let log = format!(
                    "$ {}\n{}{}ended with {told} after {} ms\n",
                    called.words,
                    called.stdout,
                    called.stderr,
                    called.took.as_millis()
                );
                (log, called.code == Some(0))
            }
        };
        let xml = std::fs::read(&xml).ok();
        let verdict = match &xml {
            None => Err("there is no JUnit XML".to_owned()),
            Some(bytes) => judge(bytes),
        };
        let said = verdict.as_ref().err().map(|why| format!("{why}\n"));
        let log = format!("{log}{}", said.unwrap_or_default());
        Ok(SuiteRun {
            log: log.into_bytes(),
            xml,
            passed: ended_well && verdict.is_ok(),
        })
    }

    fn bundle(
        &self,
        tag: &str,
        files: &[(String, Vec<u8>)],
    ) -> Result<(String, String), ArtifactError> {
        let folder = self.directory.join(FOLDER);
        let mut bundle = Bundle::begin(&*self.filesystem, &folder, tag)?;
        for (name, bytes) in files {
            bundle.write(name, bytes)?;
        }
        let sealed = bundle.seal()?;
        Ok((self.told(&sealed.directory), sealed.digest))
    }
}

/// Reads JUnit XML: at least one test ran, and none failed; the error says what it is instead.
fn judge(bytes: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the JUnit XML is not UTF-8".to_owned())?;
    let document = roxmltree::Document::parse(text)
        .map_err(|error| format!("the JUnit XML cannot be read: {error}"))?;
    let is = |name: &'static str| move |node: &roxmltree::Node<'_, '_>| node.has_tag_name(name);
    let cases = document.descendants().filter(is("testcase"));
    let (mut ran, mut failed) = (0, Vec::new());
    for case in cases {
        let has = |name| case.children().any(|child| child.has_tag_name(name));
        if has("failure") || has("error") {
            failed.push(case.attribute("name").unwrap_or("a test without a name"));
        }
        ran += usize::from(!has("skipped"));
    }
    let suites = document.descendants().filter(is("testsuite"));
    let counted = ["failures", "errors"].map(|name| {
        let counts = suites.clone().filter_map(|it| it.attribute(name));
        counts.filter_map(|it| it.parse::<u64>().ok()).sum::<u64>()
    });
    match (ran, failed.as_slice(), counted) {
        (0, [], _) => Err("the JUnit XML names no test that ran".to_owned()),
        (_, [], [0, 0]) => Ok(()),
        (_, [], _) => Err("the JUnit XML counts failures that it does not name".to_owned()),
        (_, failed, _) => Err(format!("failed: {}", failed.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn junit_xml_must_be_well_formed_and_name_tests_that_ran_and_did_not_fail() {
        let case = |inner: &str| format!("<testcase classname=\"a\" name=\"t\">{inner}</testcase>");
        let suite = |attributes: &str, inner: &str| {
            format!(
                "<?xml version=\"1.0\"?><testsuites><testsuite {attributes}>{inner}</testsuite></testsuites>"
            )
        };
        let good = suite("tests=\"1\" failures=\"0\" errors=\"0\"", &case(""));
        assert_eq!(judge(good.as_bytes()), Ok(()));
        let some_skipped = format!("{}{}", case("<skipped/>"), case(""));
        assert_eq!(judge(suite("", &some_skipped).as_bytes()), Ok(()));
        let cases = [
            (suite("tests=\"0\"", ""), "no test that ran"),
            (suite("", &case("<skipped/>")), "no test that ran"),
            (suite("", &case("<failure>x</failure>")), "failed: t"),
            (suite("", &case("<error/>")), "failed: t"),
            (suite("failures=\"1\"", &case("")), "does not name"),
            ("<testsuites><testcase".to_owned(), "cannot be read"),
            (String::new(), "cannot be read"),
        ];
        for (xml, why) in cases {
            let found = judge(xml.as_bytes());
            assert!(
                found.as_ref().is_err_and(|it| it.contains(why)),
                "{xml}: {found:?}"
            );
        }
    }
}
