//! What this process knows of the clock: values only rise, whatever the shared counter says.

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// Somebody wants values.
    Wanted(usize),
    /// The shared counter gave these.
    Given(&'a [u64]),
    /// A value was seen elsewhere.
    Seen(u64),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Take that many values from the shared counter.
    Take(usize),
    /// Move the shared counter beyond a value.
    Advance(u64),
    /// Answer with the values.
    Answer(Vec<u64>),
}

/// The highest value that this process has seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClockCore {
    highest: u64,
}

impl ClockCore {
    /// Takes in what happened and says what is to be done.
    pub fn step(&mut self, input: Input<'_>) -> Vec<Effect> {
        match input {
            Input::Wanted(0) => vec![Effect::Answer(Vec::new())],
            Input::Wanted(count) => vec![Effect::Take(count)],
            Input::Given(values) => self.given(values),
            Input::Seen(value) if value > self.highest => {
                self.highest = value;
                vec![Effect::Advance(value)]
            }
            Input::Seen(_) => Vec::new(),
        }
    }

    /// Values that are not above everything seen would break causality: others are taken instead.
    fn given(&mut self, values: &[u64]) -> Vec<Effect> {
        let usable = values.first().is_some_and(|first| *first > self.highest);
        if usable {
            self.highest = values.last().copied().unwrap_or(self.highest);
            return vec![Effect::Answer(values.to_vec())];
        }
        vec![
            Effect::Advance(self.highest),
            Effect::Take(values.len().max(1)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_answered_when_they_rise_above_everything_seen() {
        let mut core = ClockCore::default();
        assert_eq!(core.step(Input::Wanted(2)), [Effect::Take(2)]);
        assert_eq!(
            core.step(Input::Given(&[4, 5])),
            [Effect::Answer(vec![4, 5])]
        );
        assert_eq!(core.step(Input::Seen(3)), []);
        assert_eq!(core.step(Input::Seen(90)), [Effect::Advance(90)]);
        assert_eq!(
            core.step(Input::Given(&[6])),
            [Effect::Advance(90), Effect::Take(1)]
        );
        assert_eq!(core.step(Input::Given(&[91])), [Effect::Answer(vec![91])]);
    }

    #[test]
    fn nothing_wanted_is_nothing_taken() {
        assert_eq!(
            ClockCore::default().step(Input::Wanted(0)),
            [Effect::Answer(Vec::new())]
        );
    }
}
