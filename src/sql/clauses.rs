//! Clauses of time series that `sqlparser` does not know, rewritten token by token into functions
//! that it does, and that the planner takes for what they stand for:
//!
//! | written | becomes |
//! | --- | --- |
//! | `5m` | `INTERVAL '5m'` |
//! | `GROUP BY 1h STEP 5m` | `GROUP BY __step(INTERVAL '1h', INTERVAL '5m')` |
//! | `SAMPLE BY 5m` | `GROUP BY __sample(INTERVAL '5m')` |
//! | `FILL(prev, 0)`, after either | `, __fill(prev, 0)` |
//! | `LATEST ON time PARTITION BY a, b` | `QUALIFY __latest(time, a, b)` |
//! | `ASOF LEFT JOIN b ON ...` | `ASOF JOIN b MATCH_CONDITION (__left) ON ...` |
//!
//! Tokens keep their places, so that errors point into the text as it was written.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use super::statements::statements;
use crate::error::Result;

/// The function that stands for `STEP`.
pub(super) const STEP: &str = "__step";
/// The function that stands for `SAMPLE BY`.
pub(super) const SAMPLE: &str = "__sample";
/// The function that stands for `FILL`.
pub(super) const FILL: &str = "__fill";
/// The function that stands for `LATEST ON`.
pub(super) const LATEST: &str = "__latest";
/// The match condition of an `ASOF LEFT JOIN`.
pub(super) const LEFT: &str = "__left";
/// The match condition of an `ASOF JOIN`.
pub(super) const INNER: &str = "__inner";

/// Words that end a list of expressions in a SELECT.
const CLAUSES: [&str; 17] = [
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "QUALIFY",
    "WINDOW",
    "FETCH",
    "SAMPLE",
    "LATEST",
    "FILL",
    "JOIN",
];

/// The tokens without white space, with every clause rewritten.
///
/// # Errors
/// [`crate::Error::InvalidArgument`] at the place where a statement of its own goes wrong.
pub(super) fn rewritten(text: &str, tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    let tokens = statements(text, &durations(tokens))?;
    let mut out = Vec::with_capacity(tokens.len() + 8);
    let mut rest = Rest { tokens: &tokens, at: 0 };
    // For each open parenthesis, and the outermost level: whether a list of groups stands open.
    let mut grouping = vec![false];
    while let Some(token) = rest.next() {
        let span = token.span;
        match &token.token {
            Token::LParen => {
                grouping.push(false);
                out.push(token.clone());
            }
            Token::RParen => {
                if grouping.len() > 1 {
                    grouping.pop();
                }
                out.push(token.clone());
            }
            Token::Word(_) if is(token, "SAMPLE") && rest.takes("BY") => {
                out.extend([keyword("GROUP", span), keyword("BY", span)]);
                out.extend(call(SAMPLE, rest.interval(), span));
                open(&mut grouping);
            }
            Token::Word(_) if is(token, "GROUP") && rest.peeks("BY") => {
                out.push(token.clone());
                open(&mut grouping);
            }
            Token::Word(_) if is(token, "INTERVAL") && rest.steps() => {
                let mut both = vec![token.clone()];
                both.extend(rest.next().cloned());
                rest.next();
                both.push(TokenWithSpan::new(Token::Comma, span));
                both.extend(rest.interval());
                out.extend(call(STEP, both, span));
            }
            Token::Word(_)
                if is(token, "FILL")
                    && rest.opens()
                    && grouping.last().copied().unwrap_or(false) =>
            {
                out.extend([TokenWithSpan::new(Token::Comma, span), name(FILL, span)]);
            }
            Token::Word(_) if is(token, "LATEST") && rest.takes("ON") => {
                out.extend([keyword("QUALIFY", span), name(LATEST, span)]);
                out.push(TokenWithSpan::new(Token::LParen, span));
                out.extend(rest.list());
                if rest.takes("PARTITION") {
                    rest.takes("BY");
                    out.push(TokenWithSpan::new(Token::Comma, span));
                    out.extend(rest.list());
                }
                out.push(TokenWithSpan::new(Token::RParen, span));
            }
            Token::Word(_) if is(token, "ASOF") && rest.joins() => {
                let kind = if rest.takes("LEFT") { LEFT } else { INNER };
                rest.takes("INNER");
                out.push(token.clone());
                out.extend(rest.next().cloned());
                out.extend(rest.until(&["ON", "USING", "MATCH_CONDITION"]));
                if !rest.peeks("MATCH_CONDITION") {
                    out.push(keyword("MATCH_CONDITION", span));
                    out.push(TokenWithSpan::new(Token::LParen, span));
                    out.push(name(kind, span));
                    out.push(TokenWithSpan::new(Token::RParen, span));
                }
            }
            Token::Word(word) => {
                if word.quote_style.is_none()
                    && CLAUSES.iter().any(|clause| word.value.eq_ignore_ascii_case(clause))
                    && let Some(open) = grouping.last_mut()
                {
                    *open = false;
                }
                out.push(token.clone());
            }
            _ => out.push(token.clone()),
        }
    }
    Ok(out)
}

fn open(grouping: &mut [bool]) {
    if let Some(open) = grouping.last_mut() {
        *open = true;
    }
}

/// Numbers with a unit right behind them become intervals; white space goes.
fn durations(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut number: Option<(String, Span)> = None;
    for token in tokens {
        if let (Some((digits, span)), Token::Word(word)) = (&number, &token.token)
            && word.quote_style.is_none()
            && word.value.starts_with(|c: char| c.is_ascii_alphabetic())
            // Else it is a column's alias, as in `SELECT 5m`: that reads as an interval as well.
            && out.last().is_some_and(|last| last.span == *span)
        {
            out.pop();
            let text = format!("{digits}{}", word.value);
            let span = Span::new(span.start, token.span.end);
            out.push(keyword("INTERVAL", span));
            out.push(TokenWithSpan::new(Token::SingleQuotedString(text), span));
            number = None;
            continue;
        }
        // `usage_p99.9` is a name.
        if let Token::Number(digits, false) = &token.token
            && digits.starts_with('.')
            && let Some(TokenWithSpan { token: Token::Word(word), span }) = out.last_mut()
            && span.end == token.span.start
        {
            word.value.push_str(digits);
            word.keyword = Keyword::NoKeyword;
            span.end = token.span.end;
            continue;
        }
        number = match &token.token {
            Token::Number(digits, false) => Some((digits.clone(), token.span)),
            _ => None,
        };
        if !matches!(token.token, Token::Whitespace(_)) {
            out.push(token);
        }
    }
    out
}

pub(super) fn is(token: &TokenWithSpan, word: &str) -> bool {
    matches!(&token.token, Token::Word(w)
        if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

pub(super) fn keyword(word: &str, span: Span) -> TokenWithSpan {
    TokenWithSpan::new(Token::make_keyword(word), span)
}

/// A name that is no keyword.
pub(super) fn name(name: &str, span: Span) -> TokenWithSpan {
    let word = Word { value: name.to_owned(), quote_style: None, keyword: Keyword::NoKeyword };
    TokenWithSpan::new(Token::Word(word), span)
}

fn call(function: &str, arguments: Vec<TokenWithSpan>, span: Span) -> Vec<TokenWithSpan> {
    let mut tokens = vec![name(function, span), TokenWithSpan::new(Token::LParen, span)];
    tokens.extend(arguments);
    tokens.push(TokenWithSpan::new(Token::RParen, span));
    tokens
}

/// The tokens that are still to be read.
pub(super) struct Rest<'a> {
    pub(super) tokens: &'a [TokenWithSpan],
    pub(super) at: usize,
}

impl<'a> Rest<'a> {
    pub(super) fn next(&mut self) -> Option<&'a TokenWithSpan> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    pub(super) fn peeks(&self, word: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| is(token, word))
    }

    pub(super) fn takes(&mut self, word: &str) -> bool {
        let found = self.peeks(word);
        self.at += usize::from(found);
        found
    }

    fn opens(&self) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.token == Token::LParen)
    }

    /// Whether `'...' STEP` comes next.
    fn steps(&self) -> bool {
        self.tokens.get(self.at + 1).is_some_and(|token| is(token, "STEP"))
    }

    /// Whether `[LEFT | INNER] JOIN` comes next.
    fn joins(&self) -> bool {
        let kind = usize::from(self.peeks("LEFT") || self.peeks("INNER"));
        self.tokens.get(self.at + kind).is_some_and(|token| is(token, "JOIN"))
    }

    /// `INTERVAL '...'`, or whatever one token stands there for the parser to complain of.
    fn interval(&mut self) -> Vec<TokenWithSpan> {
        let length = if self.peeks("INTERVAL") { 2 } else { 1 };
        (0..length).filter_map(|_| self.next().cloned()).collect()
    }

    /// Tokens up to the next clause of this level.
    fn list(&mut self) -> Vec<TokenWithSpan> {
        let mut ends = CLAUSES.to_vec();
        ends.push("PARTITION");
        self.until(&ends)
    }

    /// Tokens of this level up to one of the words, a closing parenthesis or a semicolon.
    pub(super) fn until(&mut self, words: &[&str]) -> Vec<TokenWithSpan> {
        let (mut depth, mut out) = (0usize, Vec::new());
        while let Some(token) = self.tokens.get(self.at) {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen | Token::SemiColon if depth == 0 => break,
                Token::RParen => depth -= 1,
                Token::Word(_) if depth == 0 && words.iter().any(|word| is(token, word)) => break,
                _ => {}
            }
            out.push(token.clone());
            self.at += 1;
        }
        out
    }
}
