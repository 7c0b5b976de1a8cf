//! From the artifact's document to the tables that a walk reads.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::artifact::{
    ArrayDocument, ArtifactDocument, ArtifactError, NumberDocument, ShapeDocument, StringDocument,
};
use crate::formats::Format;
use crate::tables::{
    ANY, ArrayRules, Ends, EntryKind, Index, NONE, NumberRules, Range, Shape, Span, StringRules,
    Tables, Word, types,
};

// The build script reads this file too, where only explicit paths are found.
#[path = "compile/conditions.rs"]
mod conditions;
#[path = "compile/object.rs"]
mod object;
#[path = "compile/origin.rs"]
mod origin;

/// The rule language that this gate reads.
pub(crate) const RULE_LANGUAGE: u32 = 1;
/// Limits stay where binary64 is exact, so that both readings of a number compare alike.
const LARGEST_LIMIT: i64 = 1 << 53;

/// The walks recurse once per level, so the limit bounds their stack.
const DEEPEST_LIMIT: usize = 256;

type Outcome<T> = Result<T, ArtifactError>;

/// Compiles a whole artifact, or says which part of it cannot be enforced.
pub(crate) fn compile<'a>(document: &'a ArtifactDocument<'a>) -> Outcome<Tables> {
    let mut compiler = Compiler::new(document);
    if document.rule_language != RULE_LANGUAGE {
        let problem = format!("rule language {} is unknown", document.rule_language);
        return Err(compiler.refuse(problem));
    }
    if document.limits.max_depth > DEEPEST_LIMIT {
        return Err(compiler.refuse(format!("the depth limit is above {DEEPEST_LIMIT}")));
    }
    // Every object table names the keys that are forbidden anywhere; this one names nothing else.
    compiler.bare_object()?;
    for (name, shape) in &document.definitions.0 {
        if compiler
            .definitions
            .insert(name, Definition::Pending(shape))
            .is_some()
        {
            return Err(compiler.refuse(format!("{name} is defined twice")));
        }
    }
    for (name, _) in &document.definitions.0 {
        compiler.definition(name)?;
    }
    let roles = Roles {
        event_type: Some(document.dispatch.type_field),
        payload: Some(document.dispatch.payload_field),
        conditions: false,
    };
    let contexts = &document.contexts;
    let roots = [
        compiler.at("envelope", |compiler| {
            compiler.shape(&contexts.envelope, &roles)
        })?,
        compiler.at("payload", |compiler| {
            compiler.shape(&contexts.payload, &roles)
        })?,
        compiler.at("body_sync", |compiler| {
            compiler.shape(&contexts.body_sync, &Roles::default())
        })?,
        compiler.at("tracker_bind", |compiler| {
            compiler.shape(&contexts.tracker_bind, &Roles::default())
        })?,
        compiler.at("orchestrator_api", |compiler| {
            compiler.shape(&contexts.orchestrator_api, &Roles::default())
        })?,
        // A request may be anything without forbidden keys.
        ANY,
    ];
    compiler.payloads(document)?;
    Ok(compiler.finish(document, roots))
}

/// What an object's rules may do because of where they stand.
#[derive(Clone, Copy, Default)]
struct Roles<'a> {
    event_type: Option<&'a str>,
    payload: Option<&'a str>,
    conditions: bool,
}

/// Adds items to a flat array.
fn append<T: Clone>(all: &mut Cow<'static, [T]>, items: Vec<T>) -> Range {
    let range = Range {
        start: all.len() as u32,
        length: items.len() as u32,
    };
    all.to_mut().extend(items);
    range
}

/// How far a named shape is compiled.
#[derive(Clone, Copy)]
enum Definition<'a> {
    Pending(&'a ShapeDocument<'a>),
    Begun,
    Done(Index),
}

struct Compiler<'a> {
    tables: Tables,
    forbidden_anywhere: &'a [&'a str],
    definitions: BTreeMap<&'a str, Definition<'a>>,
    place: String,
}

impl<'a> Compiler<'a> {
    fn new(document: &'a ArtifactDocument<'a>) -> Self {
        let tables = Tables {
            shapes: vec![Shape::of(types::ALL)].into(),
            max_depth: document.limits.max_depth,
            ..Tables::default()
        };
        let forbidden_anywhere = &document.forbidden_anywhere;
        Self {
            tables,
            forbidden_anywhere,
            definitions: BTreeMap::new(),
            place: String::new(),
        }
    }

    fn refuse(&self, problem: impl Into<String>) -> ArtifactError {
        ArtifactError::Rule {
            place: self.place.clone(),
            problem: problem.into(),
        }
    }

    /// Runs a step below a named part of the artifact.
    fn at<T>(&mut self, name: &str, step: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        let length = self.place.len();
        if length > 0 {
            self.place.push('.');
        }
        self.place.push_str(name);
        let outcome = step(self);
        if outcome.is_ok() {
            self.place.truncate(length);
        }
        outcome
    }

    fn span(&mut self, text: &str) -> Span {
        let start = self.tables.pool.len() as u32;
        self.tables.pool.to_mut().push_str(text);
        Span {
            start,
            length: text.len() as u32,
        }
    }

    fn word(&mut self, text: &str) -> Word {
        Word {
            text: self.span(text),
            ends: Ends::of(text.as_bytes()),
        }
    }

    fn words(&mut self, texts: &[&str]) -> Range {
        let words: Vec<_> = texts.iter().map(|text| self.word(text)).collect();
        append(&mut self.tables.words, words)
    }

    fn index(&self, length: usize) -> Outcome<Index> {
        let index = Index::try_from(length).ok().filter(|index| *index != NONE);
        index.ok_or_else(|| self.refuse("has too many rules"))
    }

    fn payloads(&mut self, document: &'a ArtifactDocument<'a>) -> Outcome<()> {
        let mut entries = Vec::with_capacity(document.payloads.0.len());
        for (name, shape) in &document.payloads.0 {
            if self.named(&entries, name).is_some() {
                return Err(self.refuse(format!("the payload {name} is defined twice")));
            }
            let roles = Roles {
                conditions: true,
                ..Roles::default()
            };
            let index = self.at(name, |compiler| compiler.shape(shape, &roles))?;
            if self.tables.shapes[usize::from(index)].types != types::OBJECT {
                return Err(self.refuse(format!("the payload {name} is not exactly an object")));
            }
            entries.push(self.entry(name, index, EntryKind::Property));
        }
        self.tables.payloads = self.names(entries)?;
        Ok(())
    }

    fn finish(mut self, document: &ArtifactDocument<'a>, roots: [Index; 6]) -> Tables {
        self.tables.payload_field = self.span(document.dispatch.payload_field);
        self.tables.roots = roots;
        self.origin(document);
        self.tables
    }

    /// The shape of this name, compiled when first asked for.
    fn definition(&mut self, name: &'a str) -> Outcome<Index> {
        match self.definitions.get(name).copied() {
            Some(Definition::Done(index)) => Ok(index),
            Some(Definition::Pending(shape)) => {
                self.definitions.insert(name, Definition::Begun);
                let index = self.at(name, |compiler| compiler.shape(shape, &Roles::default()))?;
                self.definitions.insert(name, Definition::Done(index));
                Ok(index)
            }
            Some(Definition::Begun) => Err(self.refuse(format!("{name} refers to itself"))),
            None => Err(self.refuse(format!("{name} is not defined"))),
        }
    }

    fn shape(&mut self, document: &'a ShapeDocument<'a>, roles: &Roles<'a>) -> Outcome<Index> {
        let mut shape = Shape::of(0);
        if let Some(name) = document.reference {
            let index = self.definition(name)?;
            shape = self.tables.shapes[usize::from(index)];
        }
        self.add(&mut shape, document.null.is_some(), types::NULL)?;
        self.add(&mut shape, document.boolean.is_some(), types::BOOLEAN)?;
        if let Some(rules) = &document.number {
            self.add(&mut shape, true, types::INTEGER | types::FRACTION)?;
            shape.number = self.number(rules)?;
        }
        if let Some(rules) = &document.integer {
            self.add(&mut shape, true, types::INTEGER)?;
            shape.number = self.number(rules)?;
        }
        if let Some(rules) = &document.string {
            self.add(&mut shape, true, types::STRING)?;
            shape.string = self.string(rules)?;
        }
        if let Some(rules) = &document.array {
            self.add(&mut shape, true, types::ARRAY)?;
            shape.array = self.array(rules)?;
        }
        if let Some(rules) = &document.object {
            self.add(&mut shape, true, types::OBJECT)?;
            shape.object = self.object(rules, roles)?;
        }
        if shape.types == 0 {
            return Err(self.refuse("a shape names no type"));
        }
        self.tables.shapes.to_mut().push(shape);
        self.index(self.tables.shapes.len() - 1)
    }

    fn add(&self, shape: &mut Shape, named: bool, added: u8) -> Outcome<()> {
        if named && shape.types & added != 0 {
            return Err(self.refuse("a shape names a type twice"));
        }
        shape.types |= if named { added } else { 0 };
        Ok(())
    }

    fn number(&mut self, rules: &NumberDocument) -> Outcome<Index> {
        let limits = [rules.minimum, rules.exclusive_minimum, rules.maximum];
        if limits == [None; 3] {
            return Ok(NONE);
        }
        if limits
            .iter()
            .flatten()
            .any(|limit| limit.abs() > LARGEST_LIMIT)
        {
            return Err(self.refuse("a limit is beyond 2^53"));
        }
        self.tables.numbers.to_mut().push(NumberRules {
            minimum: rules.minimum,
            exclusive_minimum: rules.exclusive_minimum,
            maximum: rules.maximum,
        });
        self.index(self.tables.numbers.len() - 1)
    }

    fn string(&mut self, rules: &'a StringDocument<'a>) -> Outcome<Index> {
        let format = match rules.format {
            None => None,
            Some(name) => {
                let known = Format::parse(name);
                Some(known.ok_or_else(|| self.refuse(format!("format {name} is unknown")))?)
            }
        };
        let compiled = StringRules {
            value: rules.value.map(|text| self.word(text)),
            allowed: self.words(&rules.allowed),
            forbidden: self.words(&rules.forbidden),
            forbidden_first_segment: self.words(&rules.forbidden_first_segment),
            min_length: rules.min_length,
            max_length: rules.max_length,
            format,
            not_blank: rules.not_blank,
            reads_content: rules.value.is_some()
                || format.is_some()
                || [
                    &rules.allowed,
                    &rules.forbidden,
                    &rules.forbidden_first_segment,
                ]
                .iter()
                .any(|texts| !texts.is_empty()),
        };
        if compiled.is_empty() {
            return Ok(NONE);
        }
        self.tables.strings.to_mut().push(compiled);
        self.index(self.tables.strings.len() - 1)
    }

    fn array(&mut self, rules: &'a ArrayDocument<'a>) -> Outcome<Index> {
        let items = match &rules.items {
            None => ANY,
            Some(shape) => self.at("items", |compiler| compiler.shape(shape, &Roles::default()))?,
        };
        self.tables.arrays.to_mut().push(ArrayRules {
            items,
            min_items: rules.min_items,
        });
        self.index(self.tables.arrays.len() - 1)
    }
}
