//! JSON with the bytes that Python's `json.dumps` writes, for the files and answers others compare.
//!
//! Three shapes occur: one line (`", "` and `": "`), two-space indentation, and the compact wire
//! form. Each exists ASCII-escaped (Python's default) and with characters kept. Keys come in the
//! order of the value: `serde_json::Map` is sorted, a struct keeps its declaration order.

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};
use std::io;

/// Renders one line as `json.dumps(value)`: `", "`, `": "`, ASCII-escaped.
#[must_use]
pub fn line(value: &impl Serialize) -> String {
    render(
        value,
        PythonFormatter {
            layout: Spaced,
            escape: true,
        },
    )
}

/// Renders as `json.dumps(value, indent=2)`: ASCII-escaped, no final newline.
#[must_use]
pub fn indented(value: &impl Serialize) -> String {
    render(
        value,
        PythonFormatter {
            layout: PrettyFormatter::with_indent(b"  "),
            escape: true,
        },
    )
}

/// Renders as `json.dumps(value, separators=(",", ":"))`: ASCII-escaped.
#[must_use]
pub fn compact_ascii(value: &impl Serialize) -> String {
    render(
        value,
        PythonFormatter {
            layout: serde_json::ser::CompactFormatter,
            escape: true,
        },
    )
}

/// Renders as `json.dumps(value, ensure_ascii=False)`: `", "`, `": "`, characters kept.
#[must_use]
pub fn line_unescaped(value: &impl Serialize) -> String {
    render(
        value,
        PythonFormatter {
            layout: Spaced,
            escape: false,
        },
    )
}

/// Renders as `json.dumps(value, indent=2, ensure_ascii=False)`: no final newline.
#[must_use]
pub fn indented_unescaped(value: &impl Serialize) -> String {
    render(
        value,
        PythonFormatter {
            layout: PrettyFormatter::with_indent(b"  "),
            escape: false,
        },
    )
}

fn render(value: &impl Serialize, formatter: impl Formatter) -> String {
    let mut bytes = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    value
        .serialize(&mut serializer)
        .expect("values of this program have text keys and serialize");
    String::from_utf8(bytes).expect("the serializer writes UTF-8")
}

/// `", "` between items and `": "` after keys.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

/// Adds `ensure_ascii` and Python's number spelling to a layout.
struct PythonFormatter<L> {
    layout: L,
    escape: bool,
}

macro_rules! delegate {
    ($($name:ident($($argument:ident: $kind:ty),*);)*) => {
        $(fn $name<W: ?Sized + io::Write>(&mut self, out: &mut W $(, $argument: $kind)*) -> io::Result<()> {
            self.layout.$name(out $(, $argument)*)
        })*
    };
}

impl<L: Formatter> Formatter for PythonFormatter<L> {
    delegate! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        out.write_all(python_float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if !self.escape || fragment.bytes().all(|byte| byte.is_ascii() && byte != 0x7f) {
            return out.write_all(fragment.as_bytes());
        }
        for character in fragment.chars() {
            if character.is_ascii() && character != '\u{7f}' {
                out.write_all(&[character as u8])?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

/// Spells a finite number as Python's `repr`: shortest digits, an exponent below 1e-4 and from 1e16.
fn python_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific
        .split_once('e')
        .expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{value}");
    if plain.contains('.') {
        plain
    } else {
        format!("{plain}.0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_shapes_are_those_of_python() {
        let value =
            json!({"b": [1, 2.5, true, null], "a": {"é": "😀\u{7f}\n\"\\"}, "e": [], "o": {}});
        assert_eq!(
            line(&value),
            "{\"a\": {\"\\u00e9\": \"\\ud83d\\ude00\\u007f\\n\\\"\\\\\"}, \"b\": [1, 2.5, true, null], \"e\": [], \"o\": {}}"
        );
        assert_eq!(
            compact_ascii(&value),
            "{\"a\":{\"\\u00e9\":\"\\ud83d\\ude00\\u007f\\n\\\"\\\\\"},\"b\":[1,2.5,true,null],\"e\":[],\"o\":{}}"
        );
        assert_eq!(
            indented(&json!({"b": [1], "a": {}})),
            "{\n  \"a\": {},\n  \"b\": [\n    1\n  ]\n}"
        );
        assert_eq!(
            line(&json!([
                1e16,
                1e-7,
                1e22,
                123_456_789_012_345_680.0,
                0.1,
                5e-324,
                1.0,
                -0.0,
                1e-4
            ])),
            "[1e+16, 1e-07, 1e+22, 1.2345678901234568e+17, 0.1, 5e-324, 1.0, -0.0, 0.0001]"
        );
        assert_eq!(line_unescaped(&json!(["é", "x"])), "[\"é\", \"x\"]");
        assert_eq!(
            indented_unescaped(&json!({"é": "ü"})),
            "{\n  \"é\": \"ü\"\n}"
        );
    }
}
