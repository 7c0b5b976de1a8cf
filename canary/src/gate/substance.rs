//! Is a fix one? Pure: what its diff changes besides what nobody would call behaviour.

/// What makes a line of a program one that only tells what happens.
const LOGGING: &[&str] = &[
    "logger.",
    "logging.",
    "log::",
    "tracing::",
    "warnings.warn",
    "println!",
    "eprintln!",
    "print(",
    "console.print",
];

/// Returns the changed lines of a unified diff that change behaviour.
///
/// A line counts unless it is empty, a comment, an import, logging, or holds one of the words that the
/// configuration calls immaterial. A line that is only moved counts for nothing.
#[must_use]
pub fn behaviour(diff: &str, immaterial: &[String]) -> Vec<String> {
    let changed = |sign: char| {
        let lines = diff.lines().filter(move |line| {
            line.starts_with(sign) && !line.starts_with("+++") && !line.starts_with("---")
        });
        lines.map(|line| line[1..].trim().to_owned())
    };
    let mut removed: Vec<String> = changed('-').collect();
    let mut counted = Vec::new();
    for line in changed('+') {
        match removed.iter().position(|other| *other == line) {
            Some(at) => {
                removed.swap_remove(at);
            }
            None => counted.push(line),
        }
    }
    counted.extend(removed);
    counted.retain(|line| counts(line, immaterial));
    counted
}

fn counts(line: &str, immaterial: &[String]) -> bool {
    let comment = ["#", "//", "/*", "* ", "\"\"\"", "import ", "from ", "use "];
    let word = |it: &&str| line.starts_with(*it);
    let has_letters = line.chars().any(char::is_alphanumeric);
    let tells = LOGGING.iter().any(|it| line.contains(it));
    let named = immaterial.iter().any(|it| line.contains(it.as_str()));
    has_letters && !comment.iter().any(word) && !tells && !named
}

#[cfg(test)]
mod tests {
    use super::behaviour;

    #[test]
    fn logging_comments_moves_and_immaterial_words_change_no_behaviour() {
        let diff = "--- a/queue.py\n+++ b/queue.py\n@@ -1,4 +1,6 @@\n\
            -moved = 1\n+    moved = 1\n+# why\n+logger.warning('row %s', row)\n+\n+}\n\
            -timeout = 5\n+timeout = 50\n+import logging\n";
        assert_eq!(
            behaviour(diff, &["timeout".to_owned()]),
            Vec::<String>::new()
        );
        assert_eq!(behaviour(diff, &[]), ["timeout = 50", "timeout = 5"]);
        let fix = format!("{diff}-rows.append(row)\n+rows.insert(0, row)\n");
        let found = behaviour(&fix, &["timeout".to_owned()]);
        assert_eq!(found, ["rows.insert(0, row)", "rows.append(row)"]);
    }
}
