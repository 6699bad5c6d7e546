//! `FORECAST` and `DETECT ANOMALIES`, rewritten token by token into a SELECT from the table function
//! that they are, so that they stand wherever a query does:
//!
//! ```text
//! FORECAST field FROM table                    DETECT ANOMALIES IN field FROM table
//!   [WHERE ..] [USING method(option = value)]    [WHERE ..] [USING method(option = value)]
//!   FOR 24h [EVERY 1h]                           [EVERY 1m]
//!   [WITH LEVEL 95 | WITH LEVELS (80, 95)]       [ALERT ON score > 0.8]
//!   [BY tags] [SINCE time] [UNTIL time]          [BY tags] [SINCE time] [UNTIL time]
//! ```
//!
//! Clauses come in any order, and then those of any query: ORDER BY, LIMIT, UNION.

use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::clauses::{Rest, is, keyword, name};
use super::{located, parse};
use crate::error::{Result, nearest};

/// The table function that stands for `FORECAST`.
pub(super) const FORECAST: &str = "__forecast";
/// The table function that stands for `DETECT ANOMALIES`.
pub(super) const DETECT: &str = "__detect";

/// Words behind which a query may begin.
const BEFORE: [&str; 7] = ["AS", "EXPLAIN", "ANALYZE", "UNION", "EXCEPT", "INTERSECT", "ALL"];
/// Words that end the clauses.
const ENDS: [&str; 6] = ["ORDER", "LIMIT", "OFFSET", "UNION", "EXCEPT", "INTERSECT"];

/// A clause: the word that begins it, the one that follows, the argument that it becomes.
struct Clause {
    word: &'static str,
    then: &'static [&'static str],
    argument: &'static str,
    example: &'static str,
}

const fn clause(word: &'static str, argument: &'static str, example: &'static str) -> Clause {
    Clause { word, then: &[], argument, example }
}

const WHERE: Clause = clause("WHERE", "where", "WHERE host = 'a'");
const USING: Clause = clause("USING", "__using", "USING mad(window = 100)");
const EVERY: Clause = clause("EVERY", "every", "EVERY 1h");
const BY: Clause = clause("BY", "by", "BY host");
const SINCE: Clause = clause("SINCE", "start", "SINCE '2026-01-01' or SINCE 1d");
const UNTIL: Clause = clause("UNTIL", "end", "UNTIL '2026-02-01'");
const FOR: Clause = clause("FOR", "horizon", "FOR 24h, or FOR 48 for a count of steps");
const WITH: Clause = Clause {
    word: "WITH",
    then: &["LEVEL", "LEVELS"],
    argument: "levels",
    example: "WITH LEVELS (80, 95)",
};
const ALERT: Clause =
    Clause { word: "ALERT", then: &["ON"], argument: "alert", example: "ALERT ON score > 0.8" };

const OF_FORECAST: [Clause; 8] = [WHERE, USING, FOR, EVERY, WITH, BY, SINCE, UNTIL];
const OF_DETECT: [Clause; 7] = [WHERE, USING, EVERY, BY, SINCE, UNTIL, ALERT];

/// The tokens with every such statement rewritten.
///
/// # Errors
/// [`crate::Error::InvalidArgument`] at the place where a statement goes wrong.
pub(super) fn statements(text: &str, tokens: &[TokenWithSpan]) -> Result<Vec<TokenWithSpan>> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 8);
    let mut rest = Rest { tokens, at: 0 };
    while let Some(token) = rest.next() {
        match begins(&out, token, &rest) {
            Some(function) => {
                out.extend(Writer { text, first: token }.statement(function, &mut rest)?)
            }
            None => out.push(argument(token, &rest)),
        }
    }
    Ok(out)
}

/// The token, no keyword where it is the name of an argument: `where => host = 'a'`.
fn argument(token: &TokenWithSpan, rest: &Rest<'_>) -> TokenWithSpan {
    match (&token.token, rest.tokens.get(rest.at).map(|next| &next.token)) {
        (Token::Word(word), Some(Token::RArrow)) if word.quote_style.is_none() => {
            name(&word.value, token.span)
        }
        _ => token.clone(),
    }
}

/// The function that a statement stands for which begins here.
fn begins(
    before: &[TokenWithSpan],
    token: &TokenWithSpan,
    rest: &Rest<'_>,
) -> Option<&'static str> {
    let explains = |token: &TokenWithSpan| is(token, "EXPLAIN") || is(token, "ANALYZE");
    let outermost = before.iter().all(explains);
    let open = before.last().is_none_or(|last| {
        matches!(last.token, Token::LParen | Token::RParen)
            || BEFORE.iter().any(|word| is(last, word))
    });
    if !open {
        return None;
    }
    if is(token, "DETECT") && (outermost || rest.peeks("ANOMALIES")) {
        return Some(DETECT);
    }
    // `forecast` may be the name of a column there.
    let of_field =
        rest.tokens.get(rest.at + 1).is_some_and(|from| is(from, "FROM")) && !rest.peeks("FROM");
    (is(token, "FORECAST") && (outermost || of_field)).then_some(FORECAST)
}

struct Writer<'a> {
    text: &'a str,
    /// The word that begins the statement.
    first: &'a TokenWithSpan,
}

impl Writer<'_> {
    fn statement(&self, function: &str, rest: &mut Rest<'_>) -> Result<Vec<TokenWithSpan>> {
        let (what, clauses): (_, &[Clause]) = match function {
            FORECAST => ("FORECAST temperature FROM sensors FOR 24h", &OF_FORECAST),
            _ => ("DETECT ANOMALIES IN usage FROM cpu", &OF_DETECT),
        };
        if function == DETECT {
            self.expect(rest, "ANOMALIES", what)?;
            self.expect(rest, "IN", what)?;
        }
        let field = self.word(rest, "a field", what)?;
        if rest.tokens.get(rest.at).is_some_and(|next| next.token == Token::Comma) {
            return self.wrong(rest, "one field at a time; write a statement for each");
        }
        self.expect(rest, "FROM", what)?;
        let table = self.word(rest, "a table", what)?;
        let span = self.first.span;
        let at = |token: Token| TokenWithSpan::new(token, span);
        let mut out = vec![keyword("SELECT", span), at(Token::Mul), keyword("FROM", span)];
        out.extend([name(function, span), at(Token::LParen), table, at(Token::Comma), field]);
        let mut given: Vec<&str> = Vec::new();
        while let Some(token) = rest.tokens.get(rest.at) {
            let Some(clause) = clauses.iter().find(|clause| is(token, clause.word)) else { break };
            if given.contains(&clause.word) {
                return self.wrong(rest, &format!("{} comes twice", clause.word));
            }
            given.push(clause.word);
            rest.at += 1;
            if !clause.then.is_empty() && !clause.then.iter().any(|word| rest.takes(word)) {
                let then = clause.then.join(" or ");
                return self.wrong(rest, &format!("expected {then}, as in {}", clause.example));
            }
            out.extend([at(Token::Comma), name(clause.argument, token.span), at(Token::RArrow)]);
            out.extend(self.value(clause, clauses, rest)?);
        }
        if function == FORECAST && !given.contains(&"FOR") {
            return Err(located(
                self.text,
                rest.tokens.get(rest.at).map_or_else(|| self.end(), |next| next.span.start),
                &format!("FORECAST needs to know how far: {}", FOR.example),
            ));
        }
        let next = rest.tokens.get(rest.at);
        let ended = next.is_none_or(|next| {
            matches!(next.token, Token::RParen | Token::SemiColon | Token::Comma)
                || ENDS.iter().any(|word| is(next, word))
        });
        if !ended {
            let known = clauses.iter().map(|clause| clause.word).chain(ENDS);
            let found = next.map(|next| next.token.to_string()).unwrap_or_default();
            let near = nearest(&found, known);
            return self.wrong(rest, &format!("no clause begins with {found}; {near}"));
        }
        out.push(at(Token::RParen));
        Ok(out)
    }

    /// The tokens of a clause as one value.
    fn value(
        &self,
        clause: &Clause,
        clauses: &[Clause],
        rest: &mut Rest<'_>,
    ) -> Result<Vec<TokenWithSpan>> {
        let words: Vec<&str> = clauses.iter().map(|clause| clause.word).chain(ENDS).collect();
        let mut own = rest.until(&words);
        if own.is_empty() {
            return self.wrong(
                rest,
                &format!("expected what {} says, as in {}", clause.word, clause.example),
            );
        }
        own = statements(self.text, &own)?;
        let parenthesised = own.first().is_some_and(|first| first.token == Token::LParen);
        let list = matches!(clause.word, "BY" | "WITH") && !parenthesised;
        let span = own.first().map_or(self.first.span, |first| first.span);
        let wrap = |tokens: &mut Vec<TokenWithSpan>| {
            tokens.insert(0, TokenWithSpan::new(Token::LParen, span));
            tokens.push(TokenWithSpan::new(Token::RParen, span));
        };
        if list {
            wrap(&mut own);
        }
        // Within the call that the statement becomes, an error would have no place.
        // A subquery may have clauses that are still to be rewritten.
        let plain = !own.iter().any(|token| is(token, "SELECT"));
        match if plain { parse::expr_of(own.clone()) } else { Ok(None) } {
            Ok(None) => {}
            Ok(Some(next)) => {
                let found = next.token.to_string();
                let what = format!("no clause begins with {found}; {}", nearest(&found, words));
                return Err(located(self.text, next.span.start, &what));
            }
            Err(error) if parse::at_end(&error) => {
                return self.wrong(
                    rest,
                    &format!("{} is not complete, as in {}", clause.word, clause.example),
                );
            }
            Err(error) => return Err(parse::explained(self.text, error)),
        }
        if matches!(clause.word, "WHERE" | "ALERT") {
            wrap(&mut own);
        }
        Ok(own)
    }

    fn word(&self, rest: &mut Rest<'_>, what: &str, example: &str) -> Result<TokenWithSpan> {
        match rest.tokens.get(rest.at) {
            Some(token) if matches!(token.token, Token::Word(_)) && !is(token, "FROM") => {
                rest.at += 1;
                Ok(token.clone())
            }
            _ => self.wrong(rest, &format!("expected {what}, as in {example}")),
        }
    }

    fn expect(&self, rest: &mut Rest<'_>, word: &str, example: &str) -> Result<()> {
        if rest.takes(word) {
            return Ok(());
        }
        self.wrong(rest, &format!("expected {word}, as in {example}"))
    }

    /// An error at the next token.
    fn wrong<T>(&self, rest: &Rest<'_>, what: &str) -> Result<T> {
        let next = rest.tokens.get(rest.at);
        Err(located(self.text, next.map_or_else(|| self.end(), |next| next.span.start), what))
    }

    fn end(&self) -> Location {
        let (line, column) = parse::end_of(self.text);
        Location::new(line, column)
    }
}
