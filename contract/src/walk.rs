//! Two ways over a document, one verdict: both hand every token to the [`Machine`].

use serde_json::{Map, Value};

use crate::machine::{Child, Machine, PayloadRules};
use crate::path::Path;
use crate::scanner::Number;
use crate::tables::Role;
use crate::text::Text;

pub(crate) use bytes::walk_text;

mod bytes;

/// Walks a parsed value. Small, so that scalars cost no call.
#[inline]
pub(crate) fn walk_value(machine: &mut Machine<'_>, value: &Value, child: Child, path: &Path<'_>) {
    match value {
        Value::Null => machine.null(child, path),
        Value::Bool(value) => machine.boolean(child, *value, path),
        Value::Number(number) => {
            let integer = number
                .as_i64()
                .map(i128::from)
                .or(number.as_u64().map(i128::from));
            let float = || Number::Float(number.as_f64().unwrap_or(f64::MAX));
            machine.number(child, integer.map_or_else(float, Number::Integer), path);
        }
        Value::String(text) => machine.string(child, Text::plain(text), path),
        Value::Array(items) => walk_array(machine, items, child, path),
        Value::Object(members) => walk_object(machine, members, child, path),
    }
}

#[inline(never)]
fn walk_array(machine: &mut Machine<'_>, items: &[Value], child: Child, path: &Path<'_>) {
    let (item, limit) = machine.array(child, path);
    if machine.enter(path) {
        for (index, value) in items.iter().enumerate() {
            walk_value(machine, value, item, &path.index(index));
        }
    }
    machine.leave_array(limit, items.len(), path);
}

#[inline(never)]
fn walk_object(
    machine: &mut Machine<'_>,
    members: &Map<String, Value>,
    child: Child,
    path: &Path<'_>,
) {
    let mut frame = machine.object(child, path);
    if !machine.enter(path) {
        return;
    }
    let mut postponed = None;
    for (name, value) in members {
        let path = path.key(name);
        let mut child = machine.key(&mut frame, name, &path);
        match (child.role, value) {
            (Role::EventType, Value::String(name)) => machine.event_type(name),
            (Role::Payload, Value::Object(_)) => match machine.payload_rules() {
                PayloadRules::Shape(shape) => {
                    child = Child::of(shape);
                    machine.set_in_payload(true);
                    walk_value(machine, value, child, &path);
                    machine.set_in_payload(false);
                    continue;
                }
                PayloadRules::Awaited => postponed = Some(value),
                PayloadRules::NotAsked | PayloadRules::Nothing => {}
            },
            _ => {}
        }
        walk_value(machine, value, child, &path);
    }
    machine.leave_object(&frame, path);
    if let (Some(value), PayloadRules::Shape(shape)) = (postponed, machine.payload_rules()) {
        machine.set_in_payload(true);
        walk_value(
            machine,
            value,
            Child::of(shape),
            &path.key(machine.payload_field()),
        );
        machine.set_in_payload(false);
    }
}
