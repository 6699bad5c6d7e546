//! Conditions on the columns of a result: `usage_mean > 90 and usage_count >= 10`.

use crate::error::{Error, Result, nearest};

/// How a column compares to a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `=` or `==`
    Equal,
    /// `!=` or `<>`
    NotEqual,
}

/// A condition on a result row. Null compares as unknown, in the three-valued logic of SQL, and
/// only rows for which the whole is true pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Having {
    /// A column against a number.
    Compare(String, Comparison, f64),
    /// Both.
    And(Box<Having>, Box<Having>),
    /// Either.
    Or(Box<Having>, Box<Having>),
    /// The opposite.
    Not(Box<Having>),
}

/// How deep parentheses and `not` may nest.
const DEPTH: usize = 64;

impl Having {
    /// From text: comparisons of a column with a number, joined by `and`, `or`, `not` and
    /// parentheses. A name with other characters than letters, digits, `_` and `.` stands in
    /// double quotes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] that points at the position and lists `columns`.
    pub fn parse(text: &str, columns: &[String]) -> Result<Self> {
        let mut parser = Parser { text, at: 0, columns };
        let condition = parser.any(0)?;
        match parser.rest() {
            "" => Ok(condition),
            _ => Err(parser.expected("\"and\", \"or\" or the end")),
        }
    }

    /// Whether a row passes; `get` gives its value of a column, `None` for null.
    ///
    /// # Errors
    /// As `get`.
    pub fn passes(&self, get: &dyn Fn(&str) -> Result<Option<f64>>) -> Result<bool> {
        Ok(self.truth(get)? == Some(true))
    }

    fn truth(&self, get: &dyn Fn(&str) -> Result<Option<f64>>) -> Result<Option<bool>> {
        Ok(match self {
            Self::Compare(column, comparison, number) => {
                get(column)?.map(|value| match comparison {
                    Comparison::Less => value < *number,
                    Comparison::AtMost => value <= *number,
                    Comparison::Greater => value > *number,
                    Comparison::AtLeast => value >= *number,
                    Comparison::Equal => value == *number,
                    Comparison::NotEqual => value != *number,
                })
            }
            Self::And(a, b) => match (a.truth(get)?, b.truth(get)?) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(a, b) => match (a.truth(get)?, b.truth(get)?) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Not(a) => a.truth(get)?.map(|truth| !truth),
        })
    }

    /// The columns that it names.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Compare(column, ..) => vec![column],
            Self::And(a, b) | Self::Or(a, b) => {
                let mut columns = a.columns();
                columns.extend(b.columns());
                columns
            }
            Self::Not(a) => a.columns(),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    columns: &'a [String],
}

impl<'a> Parser<'a> {
    fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        &self.text[self.at..]
    }

    fn expected(&self, what: &str) -> Error {
        let found = match self.text[self.at..].split_whitespace().next() {
            Some(word) => format!("{word:?}"),
            None => "the end".to_owned(),
        };
        let columns: Vec<String> = self.columns.iter().map(|c| format!("{c:?}")).collect();
        Error::invalid(format!(
            "having {:?}: expected {what} at position {}, found {found}; it compares columns with \
             numbers, such as \"{} > 90\"; the columns are {}",
            self.text,
            self.text[..self.at].chars().count() + 1,
            self.columns.first().map_or("usage_mean", String::as_str),
            columns.join(", ")
        ))
    }

    fn keyword(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let found = rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
            && !rest[word.len()..].starts_with(is_name);
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        self.at += if found { symbol.len() } else { 0 };
        found
    }

    fn any(&mut self, depth: usize) -> Result<Having> {
        let mut left = self.all(depth)?;
        while self.keyword("or") {
            left = Having::Or(Box::new(left), Box::new(self.all(depth)?));
        }
        Ok(left)
    }

    fn all(&mut self, depth: usize) -> Result<Having> {
        let mut left = self.one(depth)?;
        while self.keyword("and") {
            left = Having::And(Box::new(left), Box::new(self.one(depth)?));
        }
        Ok(left)
    }

    fn one(&mut self, depth: usize) -> Result<Having> {
        if depth > DEPTH {
            return Err(self.expected(&format!("no more than {DEPTH} levels")));
        }
        if self.keyword("not") {
            return Ok(Having::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.symbol("(") {
            let inner = self.any(depth + 1)?;
            return if self.symbol(")") { Ok(inner) } else { Err(self.expected("\")\"")) };
        }
        let column = self.column()?;
        let comparison = self.comparison()?;
        Ok(Having::Compare(column, comparison, self.number()?))
    }

    fn column(&mut self) -> Result<String> {
        let rest = self.rest();
        let start = self.at;
        let name = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').ok_or_else(|| self.expected("a closing quote"))?;
                self.at += end + 2;
                &quoted[..end]
            }
            None => {
                let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                if end == 0 {
                    return Err(self.expected("a column"));
                }
                self.at += end;
                &rest[..end]
            }
        };
        if !self.columns.iter().any(|column| column == name) {
            self.at = start;
            let near = nearest(name, self.columns.iter().map(String::as_str));
            return Err(self.expected(&format!("a column of the result ({near})")));
        }
        Ok(name.to_owned())
    }

    fn comparison(&mut self) -> Result<Comparison> {
        let all = [
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("<>", Comparison::NotEqual),
            ("!=", Comparison::NotEqual),
            ("==", Comparison::Equal),
            ("=", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        match all.into_iter().find(|(symbol, _)| self.symbol(symbol)) {
            Some((_, comparison)) => Ok(comparison),
            None => Err(self.expected("one of <, <=, >, >=, =, !=")),
        }
    }

    fn number(&mut self) -> Result<f64> {
        let rest = self.rest();
        let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_');
        let end = rest.find(|c| !inside(c)).unwrap_or(rest.len());
        let number = rest[..end].parse::<f64>().ok().filter(|n| !n.is_nan());
        let number = number.ok_or_else(|| self.expected("a number"))?;
        self.at += end;
        Ok(number)
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '.'
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn columns() -> Vec<String> {
        ["usage_mean", "usage_count", "io rate_p99.9"].map(str::to_owned).to_vec()
    }

    fn check(text: &str, mean: Option<f64>, count: f64) -> bool {
        let having = Having::parse(text, &columns()).unwrap();
        let get = |column: &str| Ok(if column == "usage_mean" { mean } else { Some(count) });
        having.passes(&get).unwrap()
    }

    #[test]
    fn and_binds_closer_than_or() {
        assert!(check("usage_mean > 90 AND usage_count >= 10", Some(91.0), 10.0));
        assert!(!check("usage_mean > 90 and usage_count>=10", Some(90.0), 10.0));
        assert!(check("usage_mean>1 or usage_count=2 and usage_count != 2", Some(2.0), 2.0));
        assert!(!check("(usage_mean>1 or usage_count=2) and usage_count<>2", Some(2.0), 2.0));
        assert!(check("not usage_mean < -1.5e3", Some(2.0), 2.0));
        assert!(check("\"io rate_p99.9\" <= inf", None, 2.0));
    }

    #[test]
    fn null_and_nan_do_not_pass() {
        for text in ["usage_mean > 0", "usage_mean <= 0", "not usage_mean > 0", "usage_mean != 0"] {
            assert!(!check(text, None, 1.0), "{text}");
        }
        assert!(!check("usage_mean > 0 or usage_mean <= 0", Some(f64::NAN), 1.0));
        assert!(check("usage_mean > 0 or usage_count = 1", None, 1.0));
    }

    #[test]
    fn errors_point_and_list() {
        let error = |text: &str| Having::parse(text, &columns()).unwrap_err().to_string();
        let message = error("usage_mean > 90 and usge_count > 1");
        assert!(message.contains("at position 21, found \"usge_count\""), "{message}");
        assert!(message.contains("the nearest are \"usage_count\""), "{message}");
        assert!(message.contains("the columns are \"usage_mean\", \"usage_count\""), "{message}");
        assert!(error("usage_mean > ninety").contains("a number at position 14"));
        assert!(error("usage_mean").contains("found the end"));
        assert!(error("").contains("a column at position 1"));
        assert!(error("usage_mean > 1 usage_count > 2").contains("\"and\", \"or\" or the end"));
        assert!(error("(usage_mean > 1").contains("\")\""));
        assert!(error("usage_mean > nan").contains("a number"));
        assert!(error(&"(".repeat(10_000)).contains("levels"));
        assert!(error("é > 1").contains("position 1"));
    }
}
