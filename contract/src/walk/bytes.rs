//! The way over a JSON text, token by token.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::machine::{Child, Machine, PayloadRules};
use crate::path::Path;
use crate::scanner::{Malformed, Scanner};
use crate::tables::Role;
use crate::text::Text;

/// Walks a JSON text without building it; a malformed one is a violation too.
pub(crate) fn walk_text(machine: &mut Machine<'_>, text: &str, child: Child) {
    let mut walk = TextWalk {
        scanner: Scanner::new(text, 0),
        text,
    };
    let outcome = walk
        .value(machine, child, &Path::ROOT)
        .and_then(|()| walk.scanner.finish());
    if let Err(Malformed { offset }) = outcome {
        machine.not_json(offset);
    }
}

struct TextWalk<'d> {
    scanner: Scanner<'d>,
    text: &'d str,
}

impl<'d> TextWalk<'d> {
    #[inline]
    fn value(
        &mut self,
        machine: &mut Machine<'_>,
        child: Child,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        match self.scanner.peek()? {
            b'"' => machine.string(child, self.scanner.string()?, path),
            b'{' => self.object(machine, child, path)?,
            b'[' => self.array(machine, child, path)?,
            b'-' | b'0'..=b'9' => machine.number(child, self.scanner.number()?, path),
            b'n' => {
                self.scanner.literal("null")?;
                machine.null(child, path);
            }
            b't' => {
                self.scanner.literal("true")?;
                machine.boolean(child, true, path);
            }
            b'f' => {
                self.scanner.literal("false")?;
                machine.boolean(child, false, path);
            }
            _ => return Err(self.scanner.malformed()),
        }
        Ok(())
    }

    #[inline(never)]
    fn array(
        &mut self,
        machine: &mut Machine<'_>,
        child: Child,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        let (item, limit) = machine.array(child, path);
        if !machine.enter(path) {
            return self.scanner.skip_container();
        }
        self.scanner.advance();
        let mut count = 0;
        if self.scanner.peek()? == b']' {
            self.scanner.advance();
        } else {
            loop {
                self.value(machine, item, &path.index(count))?;
                count += 1;
                match self.scanner.peek()? {
                    b',' => self.scanner.advance(),
                    b']' => break self.scanner.advance(),
                    _ => return Err(self.scanner.malformed()),
                }
            }
        }
        machine.leave_array(limit, count, path);
        Ok(())
    }

    #[inline(never)]
    fn object(
        &mut self,
        machine: &mut Machine<'_>,
        child: Child,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        let mut frame = machine.object(child, path);
        if !machine.enter(path) {
            return self.scanner.skip_container();
        }
        self.scanner.advance();
        let mut strangers = Strangers::default();
        let mut postponed = None;
        let mut more = self.scanner.peek()? != b'}';
        if !more {
            self.scanner.advance();
        }
        while more {
            if self.scanner.peek()? != b'"' {
                return Err(self.scanner.malformed());
            }
            let key = self.scanner.string()?;
            let name = key.decoded();
            self.scanner.expect(b':')?;
            let path = path.key(&name);
            let child = machine.key(&mut frame, &name, &path);
            if !child.named && !strangers.insert(key) {
                machine.duplicate(&path);
            }
            match child.role {
                Role::Plain => self.value(machine, child, &path)?,
                Role::EventType => self.event_type(machine, child, &path)?,
                Role::Payload => postponed = self.payload(machine, child, &path)?.or(postponed),
            }
            match self.scanner.peek()? {
                b',' => self.scanner.advance(),
                b'}' => {
                    self.scanner.advance();
                    more = false;
                }
                _ => return Err(self.scanner.malformed()),
            }
        }
        machine.leave_object(&frame, path);
        if let (Some(offset), PayloadRules::Shape(shape)) = (postponed, machine.payload_rules()) {
            let mut again = TextWalk {
                scanner: Scanner::new(self.text, offset),
                text: self.text,
            };
            machine.set_in_payload(true);
            again.value(
                machine,
                Child::of(shape),
                &path.key(machine.payload_field()),
            )?;
            machine.set_in_payload(false);
        }
        Ok(())
    }

    fn event_type(
        &mut self,
        machine: &mut Machine<'_>,
        child: Child,
        path: &Path<'_>,
    ) -> Result<(), Malformed> {
        if self.scanner.peek()? != b'"' {
            return self.value(machine, child, path);
        }
        let text = self.scanner.string()?;
        machine.event_type(&text.decoded());
        machine.string(child, text, path);
        Ok(())
    }

    /// Walks a payload by the rules of its event type; the offset of one whose event type is
    /// still to come.
    fn payload(
        &mut self,
        machine: &mut Machine<'_>,
        child: Child,
        path: &Path<'_>,
    ) -> Result<Option<usize>, Malformed> {
        let object = self.scanner.peek()? == b'{';
        let offset = self.scanner.offset();
        match machine.payload_rules() {
            PayloadRules::Shape(shape) if object => {
                machine.set_in_payload(true);
                self.value(machine, Child::of(shape), path)?;
                machine.set_in_payload(false);
                Ok(None)
            }
            rules => {
                self.value(machine, child, path)?;
                Ok((object && rules == PayloadRules::Awaited).then_some(offset))
            }
        }
    }
}

/// The keys of one object that its rules do not name. Allocates only beyond the first sixteen,
/// and for keys with escapes.
#[derive(Default)]
struct Strangers<'d> {
    few: [&'d str; 16],
    count: usize,
    many: BTreeSet<Cow<'d, str>>,
}

impl<'d> Strangers<'d> {
    /// Notes a key; false if it came before.
    #[inline]
    fn insert(&mut self, key: Text<'d>) -> bool {
        let name = key.decoded();
        if self.few[..self.count].contains(&name.as_ref()) {
            return false;
        }
        match name {
            Cow::Borrowed(name) if self.many.is_empty() && self.count < self.few.len() => {
                self.few[self.count] = name;
                self.count += 1;
                true
            }
            name => self.many.insert(name),
        }
    }
}
