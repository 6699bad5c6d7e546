//! Options by name, as Python's keywords and the language's `USING method(name = value)` give them.

use std::collections::BTreeMap;

use crate::error::{Error, Result, nearest};

/// The value of an option.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// As if it were not given.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number; as a duration or a time, nanoseconds.
    Int(i64),
    /// A number.
    Float(f64),
    /// A word, a duration such as "5m" or an ISO time.
    Text(String),
    /// Several.
    List(Vec<Value>),
    /// Several with names.
    Map(Vec<(String, Value)>),
}

impl Value {
    fn shown(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Text(value) => format!("{value:?}"),
            Self::List(values) => {
                let values: Vec<_> = values.iter().map(Self::shown).collect();
                format!("[{}]", values.join(", "))
            }
            Self::Map(values) => {
                let one = |(name, value): &(String, Self)| format!("{name}: {}", value.shown());
                let values: Vec<_> = values.iter().map(one).collect();
                format!("{{{}}}", values.join(", "))
            }
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }
}

/// Options that were given, taken one by one; what nobody takes is refused by [`Self::finish`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    given: BTreeMap<String, Value>,
    known: Vec<&'static str>,
}

impl Options {
    /// These; [`Value::Null`] counts as not given.
    pub fn new(given: impl IntoIterator<Item = (String, Value)>) -> Self {
        let given = given.into_iter().filter(|(_, value)| *value != Value::Null).collect();
        Self { given, known: Vec::new() }
    }

    /// Whether an option was given, and not yet taken.
    pub fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Sets an option that was not given, as another name for it does.
    pub fn give(&mut self, name: &str, value: Value) {
        self.given.entry(name.to_owned()).or_insert(value);
    }

    /// The option as it was given.
    pub fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.given.remove(name)
    }

    fn take_as<T>(
        &mut self,
        name: &'static str,
        what: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>> {
        self.take(name)
            .map(|value| {
                read(&value).ok_or_else(|| {
                    Error::invalid(format!("{name} is {what}, got {}", value.shown()))
                })
            })
            .transpose()
    }

    /// A finite number.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for anything else.
    pub fn number(&mut self, name: &'static str) -> Result<Option<f64>> {
        self.take_as(name, "a finite number", |v| v.number().filter(|n| n.is_finite()))
    }

    /// A number above zero, or what stands for it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for anything else.
    pub fn positive(&mut self, name: &'static str, default: f64) -> Result<f64> {
        let read = |v: &Value| v.number().filter(|n| n.is_finite() && *n > 0.0);
        Ok(self.take_as(name, "a number above 0", read)?.unwrap_or(default))
    }

    /// A number within 0..=1, or what stands for it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for anything else.
    pub fn fraction(&mut self, name: &'static str, default: f64) -> Result<f64> {
        let read = |v: &Value| v.number().filter(|n| (0.0..=1.0).contains(n));
        Ok(self.take_as(name, "a number from 0 to 1", read)?.unwrap_or(default))
    }

    /// A whole number of at least `least`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for anything else.
    pub fn count(&mut self, name: &'static str, least: usize) -> Result<Option<usize>> {
        let read = |v: &Value| whole(v).filter(|n| *n >= least);
        self.take_as(name, &format!("a whole number of at least {least}"), read)
    }

    /// True or false, or what stands for it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for anything else.
    pub fn flag(&mut self, name: &'static str, default: bool) -> Result<bool> {
        let read = |v: &Value| if let Value::Bool(flag) = v { Some(*flag) } else { None };
        Ok(self.take_as(name, "true or false", read)?.unwrap_or(default))
    }

    /// A word.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for anything else.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        let read = |v: &Value| if let Value::Text(text) = v { Some(text.clone()) } else { None };
        self.take_as(name, "a text", read)
    }

    /// One of these words, or the first.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another, with those that are known.
    pub fn choice(&mut self, name: &'static str, of: &[&'static str]) -> Result<&'static str> {
        match self.text(name)? {
            None => Ok(of[0]),
            Some(text) => of.iter().copied().find(|word| *word == text).ok_or_else(|| {
                let near = nearest(&text, of.iter().copied());
                Error::invalid(format!("{name}={text:?} is not known; {near}"))
            }),
        }
    }

    /// Nanoseconds, from a duration such as "5m" or a whole number of nanoseconds; above zero.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for anything else.
    pub fn duration(&mut self, name: &'static str) -> Result<Option<i64>> {
        let read = |v: &Value| match v {
            Value::Int(ns) => Some(*ns).filter(|ns| *ns > 0),
            Value::Text(text) => duration(text),
            _ => None,
        };
        self.take_as(name, "a duration such as \"5m\" or \"1d\"", read)
    }

    /// Numbers: a list of them, or one.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for anything else.
    pub fn numbers(&mut self, name: &'static str) -> Result<Option<Vec<f64>>> {
        self.take_as(name, "a number or a list of numbers", |v| list(v, Value::number))
    }

    /// Whole numbers of at least `least`: a list of them, or one.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for anything else.
    pub fn counts(&mut self, name: &'static str, least: usize) -> Result<Option<Vec<usize>>> {
        let what = format!("a whole number of at least {least}, or a list of such");
        self.take_as(name, &what, |v| list(v, |one| whole(one).filter(|n| *n >= least)))
    }

    /// Words: a list of them, or one.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for anything else.
    pub fn texts(&mut self, name: &'static str) -> Result<Option<Vec<String>>> {
        let one = |v: &Value| if let Value::Text(text) = v { Some(text.clone()) } else { None };
        self.take_as(name, "a text or a list of texts", |v| list(v, one))
    }

    /// Refuses what nobody took; `of` is what the options were for.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] that names one and those that are known.
    pub fn finish(&self, of: &str) -> Result<()> {
        let Some((name, _)) = self.given.iter().next() else { return Ok(()) };
        if self.known.is_empty() {
            return Err(Error::invalid(format!("{of} has no options, got {name}")));
        }
        let near = nearest(name, self.known.iter().copied());
        Err(Error::invalid(format!("{of} has no option {name}; {near}")))
    }
}

fn whole(value: &Value) -> Option<usize> {
    match value {
        Value::Int(n) => usize::try_from(*n).ok(),
        Value::Float(n) if n.fract() == 0.0 && (0.0..9e15).contains(n) => Some(*n as usize),
        _ => None,
    }
}

fn list<T>(value: &Value, one: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    match value {
        Value::List(values) => values.iter().map(one).collect(),
        single => one(single).map(|value| vec![value]),
    }
}

/// The units of a duration, the longest names first, with their nanoseconds.
const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
];

/// The nanoseconds of a duration such as "90s" or "1h30m".
pub(super) fn duration(text: &str) -> Option<i64> {
    let (mut rest, mut total) = (text.trim(), 0i64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (_, ns) = UNITS.iter().find(|(name, _)| *name == &unit[..end])?;
        total = total.checked_add(count.checked_mul(*ns)?)?;
        rest = &unit[end..];
    }
    (total > 0).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(given: &[(&str, Value)]) -> Options {
        Options::new(given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())))
    }

    #[test]
    fn an_unknown_option_is_refused_with_the_known_ones() {
        let mut options = options(&[("tree", Value::Int(5)), ("seed", Value::Null)]);
        assert_eq!(options.count("trees", 1).expect("not given"), None);
        assert_eq!(options.count("seed", 0).expect("null is not given"), None);
        let error = options.finish("isolation_forest").expect_err("tree is left").to_string();
        assert!(error.contains("tree") && error.contains("trees"), "{error}");
    }

    #[test]
    fn a_wrong_value_is_named_with_what_would_work() {
        let mut options = options(&[("window", Value::Text("wide".to_owned()))]);
        let error = options.count("window", 2).expect_err("a text").to_string();
        assert!(error.contains("window") && error.contains("wide"), "{error}");
        assert!(error.contains("at least 2"), "{error}");
    }

    #[test]
    fn durations_add_up_and_nonsense_is_none() {
        assert_eq!(duration("1h30m"), Some(5_400_000_000_000));
        assert_eq!(duration("250ms"), Some(250_000_000));
        for bad in ["", "5", "m", "5x", "-5m", "0s", "99999999999w", "5 m", "é"] {
            assert_eq!(duration(bad), None, "{bad:?}");
        }
    }
}
