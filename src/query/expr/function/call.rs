//! A function's arguments: counted, brought to the types it takes, and read row by row.

use std::borrow::Cow;

use super::Scalar;
use crate::error::{Error, Result};
use crate::query::expr::coerce::coerce;
use crate::query::expr::node::Node;
use crate::query::expr::value::{
    Texts, Truths, Value, View, collect_floats, collect_longs, collect_texts, collect_truths,
};
use crate::query::expr::{Literal, Type};

/// A function and its arguments.
pub(super) struct Call {
    pub(super) scalar: Scalar,
    pub(super) arguments: Vec<Node>,
}

const ORDINALS: [&str; 6] = ["first", "second", "third", "fourth", "fifth", "sixth"];

impl Call {
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for too few or too many.
    pub(super) fn new(scalar: Scalar, arguments: Vec<Node>) -> Result<Self> {
        let entry = scalar.entry();
        let count = arguments.len();
        if count < entry.least || count > entry.most {
            return Err(Error::invalid(format!(
                "{} was given {count} argument{}",
                scalar.signature(),
                if count == 1 { "" } else { "s" }
            )));
        }
        Ok(Self { scalar, arguments })
    }

    /// The arguments, of which there are that many.
    pub(super) fn exactly<const N: usize>(self) -> Result<[Node; N]> {
        let signature = self.scalar.signature();
        <[Node; N]>::try_from(self.arguments)
            .map_err(|_| Error::Internal(format!("{signature} has other than {N} arguments")))
    }

    pub(super) fn has(&self, place: usize) -> bool {
        place < self.arguments.len()
    }

    pub(super) fn ty(&self, place: usize) -> Type {
        self.arguments.get(place).map_or(Type::Null, |node| node.ty)
    }

    /// An error about an argument.
    pub(super) fn wrong(&self, place: usize, takes: &str) -> Error {
        let got = match self.arguments.get(place).and_then(Node::as_text) {
            Some(text) => format!("'{text}'"),
            None => self.ty(place).to_string(),
        };
        Error::invalid(format!(
            "{} takes {takes} as its {} argument, and got {got}",
            self.scalar.signature(),
            ORDINALS.get(place).copied().unwrap_or("next"),
        ))
    }

    /// Brings an argument, if there is one, to the type.
    pub(super) fn coerce(&mut self, place: usize, to: Type) -> Result<()> {
        if !self.has(place) {
            return Ok(());
        }
        let node = coerce(self.arguments[place].clone(), to).map_err(|why| {
            match self.arguments[place].as_text() {
                Some(_) => why.within(self.scalar.signature()),
                None => self.wrong(place, to.name()),
            }
        })?;
        self.arguments[place] = node;
        Ok(())
    }

    /// Brings all arguments to the type.
    pub(super) fn coerce_all(&mut self, to: Type) -> Result<()> {
        (0..self.arguments.len()).try_for_each(|place| self.coerce(place, to))
    }

    /// Checks that an argument is a number, of either type.
    pub(super) fn number(&mut self, place: usize) -> Result<Type> {
        match self.ty(place) {
            ty if ty.is_number() => Ok(ty),
            Type::Null => self.coerce(place, Type::Float).map(|()| Type::Float),
            _ => Err(self.wrong(place, "a number")),
        }
    }

    /// A constant text, taken out of the arguments' values: a unit, a format.
    pub(super) fn word(&self, place: usize, what: &str) -> Result<String> {
        let found = self.arguments.get(place).and_then(Node::as_text);
        found.map(str::to_owned).ok_or_else(|| self.wrong(place, &format!("{what}, a constant,")))
    }

    /// For what the tables above rule out.
    pub(super) fn unknown(&self) -> Error {
        Error::Internal(format!("{} is built elsewhere", self.scalar.signature()))
    }

    /// A function that gives whole numbers, times or lengths; null where an argument is null or
    /// it gives none.
    pub(super) fn longs(
        self,
        ty: Type,
        f: impl Fn(&Row<'_, '_>) -> Result<Option<i64>> + Send + Sync + 'static,
    ) -> Node {
        Node::strict(ty, self.arguments, move |values, rows| {
            let views = views(values)?;
            collect_longs(ty, rows, |row| Row::of(&views, row).map_or(Ok(None), |row| f(&row)))
        })
    }

    pub(super) fn floats(
        self,
        f: impl Fn(&Row<'_, '_>) -> Result<Option<f64>> + Send + Sync + 'static,
    ) -> Node {
        Node::strict(Type::Float, self.arguments, move |values, rows| {
            let views = views(values)?;
            collect_floats(rows, |row| Row::of(&views, row).map_or(Ok(None), |row| f(&row)))
        })
    }

    pub(super) fn truths(
        self,
        f: impl Fn(&Row<'_, '_>) -> Result<Option<bool>> + Send + Sync + 'static,
    ) -> Node {
        Node::strict(Type::Bool, self.arguments, move |values, rows| {
            let views = views(values)?;
            collect_truths(rows, |row| Row::of(&views, row).map_or(Ok(None), |row| f(&row)))
        })
    }

    pub(super) fn texts(
        self,
        f: impl for<'a> Fn(&Row<'a, '_>) -> Result<Option<Cow<'a, str>>> + Send + Sync + 'static,
    ) -> Node {
        Node::strict(Type::Str, self.arguments, move |values, rows| {
            let views = views(values)?;
            collect_texts(rows, |row| Row::of(&views, row).map_or(Ok(None), |row| f(&row)))
        })
    }
}

/// A view of an argument of any type.
#[derive(Clone, Copy)]
pub(super) enum Any<'a> {
    Null,
    Texts(Texts<'a>),
    Longs(View<'a, i64>),
    Floats(View<'a, f64>),
    Truths(Truths<'a>),
}

pub(super) fn views(values: &[Value]) -> Result<Vec<Any<'_>>> {
    values
        .iter()
        .map(|value| {
            let ty = match value {
                Value::One(literal) => Type::of_literal(literal),
                Value::Many(array) => Type::of(array.data_type()),
            };
            Ok(match (ty, value) {
                (Type::Str, _) => Any::Texts(value.texts()?),
                (Type::Float, _) => Any::Floats(value.floats()?),
                (Type::Bool, _) => Any::Truths(value.truths()?),
                (Type::Null | Type::Other, _) | (_, Value::One(Literal::Null)) => Any::Null,
                _ => Any::Longs(value.longs()?),
            })
        })
        .collect()
}

impl<'a> Any<'a> {
    /// The text, if it is one.
    pub(super) fn text(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Texts(view) => view.get(row),
            _ => None,
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Texts(view) => view.get(row).is_none(),
            Self::Longs(view) => view.get(row).is_none(),
            Self::Floats(view) => view.get(row).is_none(),
            Self::Truths(view) => view.get(row).is_none(),
        }
    }
}

/// The arguments of one row, none of them null.
pub(super) struct Row<'a, 'b> {
    views: &'b [Any<'a>],
    row: usize,
}

impl<'a, 'b> Row<'a, 'b> {
    /// `None` if any is null.
    fn of(views: &'b [Any<'a>], row: usize) -> Option<Self> {
        (!views.iter().any(|view| view.is_null(row))).then_some(Self { views, row })
    }

    fn misread<T>(&self, place: usize) -> Result<T> {
        Err(Error::Internal(format!("argument {place} of a function has another type")))
    }

    pub(super) fn text(&self, place: usize) -> Result<&'a str> {
        match self.views.get(place) {
            Some(Any::Texts(view)) => view.get(self.row).map_or_else(|| self.misread(place), Ok),
            _ => self.misread(place),
        }
    }

    pub(super) fn long(&self, place: usize) -> Result<i64> {
        match self.views.get(place) {
            Some(Any::Longs(view)) => view.get(self.row).map_or_else(|| self.misread(place), Ok),
            _ => self.misread(place),
        }
    }

    pub(super) fn float(&self, place: usize) -> Result<f64> {
        match self.views.get(place) {
            Some(Any::Floats(view)) => view.get(self.row).map_or_else(|| self.misread(place), Ok),
            _ => self.misread(place),
        }
    }
}
