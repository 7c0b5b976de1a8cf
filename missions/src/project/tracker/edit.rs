//! Changes fields of one top-level section of a YAML text, line by line.
//!
//! It knows block mappings only. Whoever calls it parses the result and compares, so that a text it
//! does not understand is refused and never damaged.

use serde_yaml_ng::Value;

/// Sets or removes fields of a section; `None` when the text is written in another style.
pub(crate) fn section(text: &str, name: &str, fields: &[(&str, Option<Value>)]) -> Option<String> {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(start) = lines.iter().position(|line| is_key(line, "", name)) else {
        return Some(appended(text, name, fields, newline));
    };
    let end = block_end(&lines, start);
    let rest = lines.split_off(end);
    let mut block: Vec<String> = lines
        .split_off(start)
        .into_iter()
        .map(str::to_owned)
        .collect();
    if !heads_a_block(&block[0], name) {
        return None;
    }
    let indent = block[1..]
        .iter()
        .find(|line| !is_blank_or_comment(line))
        .map_or("  ", |line| indent_of(line))
        .to_owned();
    let mut place = 1;
    for (key, value) in fields {
        let found = block.iter().position(|line| is_key(line, &indent, key));
        let at = match found {
            Some(at) => {
                let end = field_end(&block, at, &indent);
                let comment = comment_of(&block[at]).map(str::to_owned);
                block.drain(at..end);
                if let Some(value) = value {
                    let mut new = render(&indent, key, value, newline)?;
                    if let Some(comment) = comment {
                        let head = new[0].trim_end().to_owned();
                        new[0] = format!("{head}  {comment}{newline}");
                    }
                    place = at + new.len();
                    block.splice(at..at, new);
                } else if place > at {
                    place = at;
                }
                continue;
            }
            None => place,
        };
        if let Some(value) = value {
            let new = render(&indent, key, value, newline)?;
            if let Some(last) = block.get_mut(at - 1)
                && !last.ends_with('\n')
            {
                last.push_str(newline);
            }
            place = at + new.len();
            block.splice(at..at, new);
        }
    }
    if block[1..].iter().all(|line| line.trim().is_empty()) && comment_of(&block[0]).is_none() {
        block.clear();
    }
    let mut out: String = lines.concat();
    out.push_str(&block.concat());
    if !rest.is_empty() && !out.is_empty() && !out.ends_with('\n') {
        out.push_str(newline);
    }
    out.push_str(&rest.concat());
    Some(out)
}

fn appended(text: &str, name: &str, fields: &[(&str, Option<Value>)], newline: &str) -> String {
    let fields = fields.iter().filter_map(|(key, value)| {
        let value = value.as_ref()?;
        render("  ", key, value, newline)
    });
    let fields: Vec<String> = fields.flatten().collect();
    if fields.is_empty() {
        return text.to_owned();
    }
    let gap = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        newline
    };
    format!("{text}{gap}{name}:{newline}{}", fields.concat())
}

/// Returns the line after a section: the next one that begins a key in the first column, without
/// the blank lines and comments above that, which are its own.
fn block_end(lines: &[&str], start: usize) -> usize {
    let after = start + 1;
    let begins = |line: &&str| {
        let first = line.chars().next();
        first.is_some_and(|first| !first.is_whitespace() && first != '#')
    };
    let next = lines[after..].iter().position(begins);
    let mut end = next.map_or(lines.len(), |next| after + next);
    while end > after && is_unindented_comment_or_blank(lines[end - 1]) {
        end -= 1;
    }
    end
}

fn is_unindented_comment_or_blank(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

/// Returns the line after a field: the next one at its indentation or above it.
fn field_end(block: &[String], at: usize, indent: &str) -> usize {
    let mut end = at + 1;
    while let Some(line) = block.get(end) {
        let is_deeper = indent_of(line).len() > indent.len();
        let is_item = line.starts_with(&format!("{indent}- "));
        if line.trim().is_empty() || !(is_deeper || is_item) {
            break;
        }
        end += 1;
    }
    end
}

fn indent_of(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches(' ').len()]
}

fn is_blank_or_comment(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// Tells whether a line at exactly this indentation gives a value to a key.
fn is_key(line: &str, indent: &str, key: &str) -> bool {
    let Some(rest) = line.strip_prefix(indent) else {
        return false;
    };
    let plain = rest.strip_prefix(key);
    let quoted = ["'", "\""].iter().find_map(|quote| {
        let rest = rest.strip_prefix(quote)?.strip_prefix(key)?;
        rest.strip_prefix(quote)
    });
    plain.or(quoted).is_some_and(|rest| {
        let rest = rest.trim_start_matches(' ');
        rest.strip_prefix(':')
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\n', '\r', '\t']))
    })
}

/// Tells whether a section's first line has no value of its own.
fn heads_a_block(line: &str, name: &str) -> bool {
    let value = line.split_once(':').map_or("", |(_, value)| value.trim());
    debug_assert!(
        line.contains(name),
        "the caller found the section by its name"
    );
    value.is_empty() || value.starts_with('#')
}

/// Returns the comment at the end of a line whose value has no quotes.
fn comment_of(line: &str) -> Option<&str> {
    let line = line.trim_end();
    if line.contains(['"', '\'']) {
        return None;
    }
    line.find(" #").map(|at| &line[at + 1..])
}

fn render(indent: &str, key: &str, value: &Value, newline: &str) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![format!("{indent}{key}: {}{newline}", scalar(text))]),
        Value::Number(number) => Some(vec![format!("{indent}{key}: {number}{newline}")]),
        Value::Mapping(mapping) => {
            let mut lines = vec![format!("{indent}{key}:{newline}")];
            for (key, value) in mapping {
                let (key, value) = (scalar(key.as_str()?), scalar(value.as_str()?));
                lines.push(format!("{indent}  {key}: {value}{newline}"));
            }
            Some(lines)
        }
        _ => None,
    }
}

/// Writes a text plainly where that cannot be mistaken for anything else, else in double quotes.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 10] = [
        "true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan",
    ];
    let begins_well = text.starts_with(|first: char| first.is_ascii_alphabetic());
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte));
    if begins_well && is_plain && !WORDS.contains(&text.to_lowercase().as_str()) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}
