//! From text to syntax.

use sqlparser::ast::{Expr, Statement};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::clauses::rewritten;
use super::dialect::Kymograph;
use super::parameters::{Parameters, filled};
use crate::error::{Error, Result};

/// Longest text of a query in bytes.
const LONGEST: usize = 1 << 20;
/// Most operators of a query: a chain of them nests that deep.
const MOST_NESTED: usize = 2_000;
/// Words that nest as operators do.
const NESTING: [Keyword; 13] = [
    Keyword::AND,
    Keyword::OR,
    Keyword::NOT,
    Keyword::IS,
    Keyword::IN,
    Keyword::LIKE,
    Keyword::ILIKE,
    Keyword::BETWEEN,
    Keyword::SIMILAR,
    Keyword::COLLATE,
    Keyword::UNION,
    Keyword::EXCEPT,
    Keyword::INTERSECT,
];
/// How deep expressions and subqueries may nest.
const DEPTH: usize = 60;

/// The one statement of a text, its placeholders filled.
///
/// # Errors
/// [`Error::InvalidArgument`] that points at the line and column, says what was expected there and
/// what was found.
pub(super) fn parse(text: &str, parameters: &Parameters) -> Result<Statement> {
    let mut parser = parser(text, parameters)?;
    let mut statements = parser.parse_statements().map_err(|e| explained(text, e))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (None, _) => Err(Error::invalid(
            "the query is empty; write one such as SELECT avg(usage) FROM cpu GROUP BY 5m",
        )),
        (Some(_), false) => Err(Error::invalid(format!(
            "the text has {} statements; one at a time can be run",
            statements.len() + 1
        ))),
    }
}

/// The one expression of a text.
///
/// # Errors
/// As [`parse`].
pub(super) fn parse_expr(text: &str, parameters: &Parameters) -> Result<Expr> {
    let mut parser = parser(text, parameters)?;
    let expr = parser.parse_expr().map_err(|e| explained(text, e))?;
    let next = parser.peek_token();
    if next.token == Token::EOF {
        return Ok(expr);
    }
    Err(located(text, next.span.start, &format!("expected the end, found {}", next.token)))
}

fn parser(text: &str, parameters: &Parameters) -> Result<Parser<'static>> {
    if text.len() > LONGEST {
        return Err(Error::invalid(format!(
            "the query is {} bytes long; {LONGEST} at most can be: give long lists of values as \
             parameters of several queries",
            text.len()
        )));
    }
    let tokens = Tokenizer::new(&Kymograph, text)
        .tokenize_with_location()
        .map_err(|e| located(text, e.location, &e.message))?;
    let nests = |token: &&TokenWithSpan| match &token.token {
        Token::Whitespace(_) | Token::Comma | Token::Period | Token::SemiColon => false,
        Token::LParen | Token::RParen | Token::Number(..) | Token::SingleQuotedString(_) => false,
        Token::Word(word) => NESTING.contains(&word.keyword),
        _ => true,
    };
    let nested = tokens.iter().filter(nests).count();
    if nested > MOST_NESTED {
        return Err(Error::invalid(format!(
            "the query has {nested} operators; {MOST_NESTED} at most can be: use IN with a list \
             instead of many ORs"
        )));
    }
    let tokens = rewritten(text, filled(text, tokens, parameters)?)?;
    Ok(Parser::new(&Kymograph).with_recursion_limit(DEPTH).with_tokens_with_locations(tokens))
}

/// An error at a place of the text: the line and column, the line itself, and a mark under it.
pub(super) fn located(text: &str, at: Location, what: &str) -> Error {
    if at.line == 0 {
        return Error::invalid(format!("SQL: {what}"));
    }
    let line = text.lines().nth(at.line as usize - 1).unwrap_or_default();
    let column = at.column as usize;
    // Long lines are cut around the place.
    let from = column.saturating_sub(61);
    let shown: String = line.chars().skip(from).take(100).collect();
    let mark = " ".repeat((column - 1).saturating_sub(from));
    Error::invalid(format!(
        "SQL, line {}, column {}: {what}\n  {}\n  {mark}^",
        at.line,
        at.column,
        shown.trim_end()
    ))
}

/// What follows the expression that tokens begin with.
pub(super) fn expr_of(
    tokens: Vec<TokenWithSpan>,
) -> std::result::Result<Option<TokenWithSpan>, ParserError> {
    let parser = Parser::new(&Kymograph).with_recursion_limit(DEPTH);
    let mut parser = parser.with_tokens_with_locations(tokens);
    parser.parse_expr()?;
    let next = parser.peek_token();
    Ok((next.token != Token::EOF).then_some(next))
}

/// Whether an error is that tokens end.
pub(super) fn at_end(error: &ParserError) -> bool {
    matches!(error, ParserError::ParserError(message) if message.contains("found: EOF"))
}

/// `sqlparser`'s error with the place that it tells in words.
pub(super) fn explained(text: &str, error: ParserError) -> Error {
    let message = match error {
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return Error::invalid(format!(
                "SQL: expressions and subqueries nest deeper than {DEPTH}; simplify the query"
            ));
        }
    };
    let (what, place) = match message.rsplit_once(" at Line: ") {
        Some((what, place)) => (what, place.split_once(", Column: ")),
        None => (message.as_str(), None),
    };
    let number = |digits: &str| digits.trim().parse::<u64>().ok();
    let at = place.and_then(|(line, column)| Some((number(line)?, number(column)?)));
    // Past the end there is no token, and so no place.
    let at = at.filter(|at| at.0 > 0).unwrap_or_else(|| end_of(text));
    let wanted = what.strip_prefix("Expected: ").or_else(|| what.strip_prefix("Expected "));
    let what = wanted.map_or_else(
        || what.to_owned(),
        |rest| match rest.rsplit_once(", found: ") {
            Some((wanted, "EOF")) => format!("expected {wanted}, found the end"),
            Some((wanted, found)) => format!("expected {wanted}, found {found}"),
            None => format!("expected {rest}"),
        },
    );
    located(text, Location::new(at.0, at.1), &what)
}

pub(super) fn end_of(text: &str) -> (u64, u64) {
    let text = text.trim_end();
    let last = text.lines().last().unwrap_or_default();
    (text.lines().count().max(1) as u64, last.chars().count() as u64 + 1)
}
