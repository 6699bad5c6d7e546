//! Parameters: `?` by position, `$name` and `$1` by name. Values replace tokens, never text.

use std::collections::BTreeMap;

use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::located;
use crate::error::{Error, Result, nearest};
use crate::query::expr::{Interval, Literal, time_text};

/// A parameter's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    /// One value.
    One(Literal),
    /// Several, for `IN ($hosts)` or `IN $hosts`.
    List(Vec<Literal>),
}

/// The values of a query's placeholders.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Parameters {
    /// The query has no placeholder.
    #[default]
    None,
    /// For `?`, in their order, or `$1`.
    Positional(Vec<Parameter>),
    /// For `$name`.
    Named(BTreeMap<String, Parameter>),
}

/// Puts the values where the placeholders stand.
///
/// # Errors
/// [`Error::InvalidArgument`] for a placeholder without value, and a value without placeholder.
pub(super) fn filled(
    text: &str,
    tokens: Vec<TokenWithSpan>,
    parameters: &Parameters,
) -> Result<Vec<TokenWithSpan>> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let (mut next, mut used) = (0, std::collections::BTreeSet::new());
    for token in tokens {
        let Token::Placeholder(placeholder) = &token.token else {
            out.push(token);
            continue;
        };
        let missing = |why: String| Err(located(text, token.span.start, &why));
        let (key, value) = match (parameters, placeholder.strip_prefix('$')) {
            (Parameters::Positional(values), name) => {
                let at = match name {
                    None => next,
                    Some(digits) => match digits.parse::<usize>() {
                        Ok(nth) if nth > 0 => nth - 1,
                        _ => {
                            return missing(format!(
                                "{placeholder} is a name, and params is a list; give a dict such \
                                 as {{\"{digits}\": 1}}"
                            ));
                        }
                    },
                };
                next += usize::from(name.is_none());
                let Some(value) = values.get(at) else {
                    return missing(format!(
                        "{placeholder} is parameter {}, and params has {}",
                        at + 1,
                        values.len()
                    ));
                };
                (at.to_string(), value)
            }
            (Parameters::Named(values), Some(name)) => match values.get(name) {
                Some(value) => (name.to_owned(), value),
                None => {
                    let near = nearest(name, values.keys().map(String::as_str));
                    return missing(format!("{placeholder} is not in params; {near}"));
                }
            },
            (Parameters::Named(_), None) => {
                return missing("? takes params as a list, and params is a dict".to_owned());
            }
            (Parameters::None, _) => {
                return missing(format!(
                    "{placeholder} needs a value: give params={}",
                    match placeholder.strip_prefix('$') {
                        Some(name) => format!("{{\"{name}\": ...}}"),
                        None => "[...]".to_owned(),
                    }
                ));
            }
        };
        used.insert(key);
        let parenthesised = matches!(out.last().map(|t| &t.token), Some(Token::LParen));
        out.extend(tokens_of(value, parenthesised, token.span));
    }
    let unused = match parameters {
        Parameters::None => None,
        Parameters::Positional(values) => {
            (0..values.len()).map(|at| at.to_string()).find(|at| !used.contains(at))
        }
        Parameters::Named(values) => values.keys().find(|name| !used.contains(*name)).cloned(),
    };
    match unused {
        None => Ok(out),
        Some(key) => Err(Error::invalid(format!(
            "params has {key:?}, which the query does not name; placeholders are ? and $name"
        ))),
    }
}

fn tokens_of(value: &Parameter, parenthesised: bool, span: Span) -> Vec<TokenWithSpan> {
    let at = |token: Token| TokenWithSpan::new(token, span);
    match value {
        Parameter::One(literal) => literal_tokens(literal).into_iter().map(at).collect(),
        Parameter::List(list) => {
            let mut tokens = Vec::new();
            for (nth, literal) in list.iter().enumerate() {
                if nth > 0 {
                    tokens.push(Token::Comma);
                }
                tokens.extend(literal_tokens(literal));
            }
            if !parenthesised {
                tokens.insert(0, Token::LParen);
                tokens.push(Token::RParen);
            }
            tokens.into_iter().map(at).collect()
        }
    }
}

fn literal_tokens(literal: &Literal) -> Vec<Token> {
    let text = |text: String| Token::SingleQuotedString(text);
    let typed = |word: &str, value: String| vec![Token::make_keyword(word), text(value)];
    match literal {
        Literal::Null => vec![Token::make_keyword("NULL")],
        Literal::Bool(true) => vec![Token::make_keyword("TRUE")],
        Literal::Bool(false) => vec![Token::make_keyword("FALSE")],
        Literal::Int(value) => number(value.to_string()),
        // `{:?}` has a point or an exponent, so that 2.0 stays a double.
        Literal::Float(value) if value.is_finite() => number(format!("{value:?}")),
        Literal::Float(value) => {
            let mut tokens = vec![Token::make_keyword("CAST"), Token::LParen];
            tokens.push(text(value.to_string()));
            tokens.extend([Token::make_keyword("AS"), Token::make_keyword("DOUBLE")]);
            tokens.push(Token::RParen);
            tokens
        }
        Literal::Str(value) => vec![text(value.clone())],
        Literal::Time(ns) => typed("TIMESTAMP", time_text(*ns)),
        Literal::Interval(Interval { months, nanos }) => {
            let mut tokens = vec![Token::LParen];
            tokens.extend(typed("INTERVAL", format!("{months} months")));
            tokens.push(Token::Plus);
            tokens.extend(typed("INTERVAL", format!("{nanos} nanoseconds")));
            tokens.push(Token::RParen);
            tokens
        }
    }
}

fn number(digits: String) -> Vec<Token> {
    match digits.strip_prefix('-') {
        None => vec![Token::Number(digits, false)],
        Some(digits) => {
            let number = Token::Number(digits.to_owned(), false);
            vec![Token::LParen, Token::Minus, number, Token::RParen]
        }
    }
}
