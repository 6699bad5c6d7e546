//! Syntax to the text that Polars reads.
//!
//! `sqlparser` shows a text with quotes in it as if they might be escaped already, and so texts and
//! names could end early. Here they are put in after the rest is shown, escaped as Polars'
//! tokenizer takes them: a quote is doubled, and nothing else means anything.

use std::ops::ControlFlow;

use sqlparser::ast::{self, Value, VisitMut, VisitorMut};

/// Stands on both sides of the number of a text that is still to be put in.
const MARK: char = '\u{1}';

/// The text of a query.
pub(super) fn rendered(query: &mut ast::Query) -> String {
    let mut texts = Texts::default();
    let _ = query.visit(&mut texts);
    let shown = query.to_string();
    let mut out = String::with_capacity(shown.len());
    // Every second piece is a number, for nothing else in the text has a mark.
    for (nth, piece) in shown.split(MARK).enumerate() {
        match piece.parse::<usize>().ok().filter(|_| nth % 2 == 1).and_then(|at| texts.0.get(at)) {
            Some(text) => out.push_str(text),
            None => out.push_str(piece),
        }
    }
    out
}

/// Texts and names by the numbers that stand for them, escaped.
#[derive(Default)]
struct Texts(Vec<String>);

impl Texts {
    fn put(&mut self, text: &str, quote: char) -> String {
        self.0.push(text.replace(quote, &format!("{quote}{quote}")));
        format!("{MARK}{}{MARK}", self.0.len() - 1)
    }
}

impl VisitorMut for Texts {
    type Break = ();

    fn pre_visit_value(&mut self, value: &mut ast::ValueWithSpan) -> ControlFlow<()> {
        let text = match &value.value {
            Value::SingleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::NationalStringLiteral(text) => text.clone(),
            Value::DollarQuotedString(text) => text.value.clone(),
            _ => return ControlFlow::Continue(()),
        };
        value.value = Value::SingleQuotedString(self.put(&text, '\''));
        ControlFlow::Continue(())
    }

    fn pre_visit_ident(&mut self, ident: &mut ast::Ident) -> ControlFlow<()> {
        let plain = |c: char| c.is_alphanumeric() || c == '_';
        if !ident.value.chars().all(plain) {
            ident.value = self.put(&ident.value.clone(), '"');
            ident.quote_style = Some('"');
        }
        ControlFlow::Continue(())
    }
}
