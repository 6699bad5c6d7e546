//! A checked expression: types known, constants folded, every operator bound to its kernel.

use std::sync::Arc;

use super::evaluate::Table;
use super::value::Value;
use super::{Literal, Type};
use crate::error::Result;

/// Values of the arguments in, one value a row (of as many as told) out.
pub(super) type Kernel = Arc<dyn Fn(&[Value], usize) -> Result<Value> + Send + Sync>;

#[derive(Clone)]
pub(super) struct Node {
    pub(super) ty: Type,
    pub(super) kind: Kind,
}

#[derive(Clone)]
pub(super) enum Kind {
    /// The place of a column among those given.
    Column(usize),
    Constant(Literal),
    Apply(Kernel, Vec<Node>),
    /// The value of the first condition that is true, else of the last node; each is evaluated
    /// for no rows but those that reach it.
    Case(Vec<(Node, Node)>, Box<Node>),
    /// The first that is not null, evaluated likewise.
    Coalesce(Vec<Node>),
    /// A node that reads one column of text alone. Over a dictionary it is evaluated on the
    /// dictionary's values.
    Spread(usize, Box<Node>),
}

impl Node {
    pub(super) fn constant(literal: Literal) -> Self {
        Self { ty: Type::of_literal(&literal), kind: Kind::Constant(literal) }
    }

    /// Null of a type.
    pub(super) fn null(ty: Type) -> Self {
        Self { ty, kind: Kind::Constant(Literal::Null) }
    }

    pub(super) fn as_constant(&self) -> Option<&Literal> {
        match &self.kind {
            Kind::Constant(literal) => Some(literal),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self.as_constant() {
            Some(Literal::Str(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.as_constant() == Some(&Literal::Null)
    }

    /// An operator of which any null argument makes null.
    pub(super) fn strict(
        ty: Type,
        arguments: Vec<Self>,
        kernel: impl Fn(&[Value], usize) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        if arguments.iter().any(Self::is_null) {
            return Self::null(ty);
        }
        Self::apply(ty, arguments, kernel)
    }

    pub(super) fn apply(
        ty: Type,
        arguments: Vec<Self>,
        kernel: impl Fn(&[Value], usize) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        Self { ty, kind: Kind::Apply(Arc::new(kernel), arguments) }
    }

    /// The constant that it comes to if all below it are constants, else itself.
    pub(super) fn fold(self) -> Result<Self> {
        let folds = !matches!(self.kind, Kind::Column(_) | Kind::Constant(_))
            && self.children().iter().all(|child| child.as_constant().is_some());
        if !folds {
            return Ok(self);
        }
        let value = self.value(&Table { columns: Vec::new(), rows: 1 })?.literal(self.ty, 0)?;
        Ok(Self { ty: self.ty, kind: Kind::Constant(value) })
    }

    /// The nodes right below.
    pub(super) fn children(&self) -> Vec<&Self> {
        match &self.kind {
            Kind::Column(_) | Kind::Constant(_) => Vec::new(),
            Kind::Apply(_, nodes) | Kind::Coalesce(nodes) => nodes.iter().collect(),
            Kind::Case(whens, otherwise) => {
                whens.iter().flat_map(|(a, b)| [a, b]).chain([&**otherwise]).collect()
            }
            Kind::Spread(_, inner) => vec![inner],
        }
    }

    /// The places of the columns that it reads, each once.
    pub(super) fn reads(&self) -> Vec<usize> {
        fn walk(node: &Node, places: &mut Vec<usize>) {
            if let Kind::Column(place) = node.kind
                && !places.contains(&place)
            {
                places.push(place);
            }
            node.children().into_iter().for_each(|child| walk(child, places));
        }
        let mut places = Vec::new();
        walk(self, &mut places);
        places
    }
}
