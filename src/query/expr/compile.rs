//! Expressions to nodes: names and types checked, constants folded, patterns prepared.

use std::cell::OnceCell;
use std::time::{SystemTime, UNIX_EPOCH};

use super::coerce::{coerce, common};
use super::function::{self, Scalar};
use super::node::{Kind, Node};
use super::{Expr, Literal, Operator, Type, arithmetic, cast, compare, logic, membership, pattern};
use crate::error::{Error, Result};

/// The expression over the columns, given by name and type.
pub(super) fn compile(expr: &Expr, columns: &[(String, Type)]) -> Result<Node> {
    let compiler = Compiler { columns, now: OnceCell::new() };
    Ok(spread_texts(compiler.node(expr, false)?, columns))
}

struct Compiler<'a> {
    columns: &'a [(String, Type)],
    /// What `now()` stands for, everywhere in the expression.
    now: OnceCell<i64>,
}

impl Compiler<'_> {
    /// `lazy`: whether rows may pass it by, so that a constant that fails is no error yet.
    fn node(&self, expr: &Expr, lazy: bool) -> Result<Node> {
        let node = match expr {
            Expr::Column(name) => return self.column(name),
            Expr::Literal(literal) => return Ok(Node::constant(literal.clone())),
            Expr::Negate(of) => arithmetic::negate(self.node(of, lazy)?),
            Expr::Not(of) => logic::not(self.node(of, lazy)?),
            Expr::IsNull(of) => Ok(logic::is_null(self.node(of, lazy)?)),
            Expr::Binary(a, operator, b) => {
                binary(self.node(a, lazy)?, *operator, self.node(b, lazy)?)
            }
            Expr::In(of, list) => membership::within(self.node(of, lazy)?, self.nodes(list, lazy)?),
            Expr::Like { of, pattern, fold } => {
                pattern::like(self.node(of, lazy)?, self.node(pattern, lazy)?, *fold)
            }
            Expr::Matches { of, pattern, fold } => {
                pattern::found(self.node(of, lazy)?, self.node(pattern, lazy)?, *fold)
            }
            Expr::Case(whens, otherwise) => {
                let mut nodes = Vec::with_capacity(whens.len());
                for (place, (condition, value)) in whens.iter().enumerate() {
                    let condition = self.node(condition, lazy || place > 0)?;
                    nodes.push((condition, self.node(value, true)?));
                }
                let otherwise = match otherwise {
                    Some(otherwise) => self.node(otherwise, true)?,
                    None => Node::null(Type::Null),
                };
                case(nodes, otherwise)
            }
            Expr::Cast { of, to, attempt } => cast::cast(self.node(of, lazy)?, *to, *attempt),
            Expr::Call(Scalar::Now, arguments) if arguments.is_empty() => {
                return Ok(Node::constant(Literal::Time(*self.now.get_or_init(now))));
            }
            Expr::Call(scalar, arguments) => {
                let lazy = lazy || matches!(scalar, Scalar::Coalesce | Scalar::If);
                function::build(*scalar, self.nodes(arguments, lazy)?)
            }
        };
        let node = node.map_err(|why| why.within(expr))?;
        match node.clone().fold() {
            Err(_) if lazy => Ok(node),
            folded => folded.map_err(|why| why.within(expr)),
        }
    }

    fn nodes(&self, exprs: &[Expr], lazy: bool) -> Result<Vec<Node>> {
        exprs.iter().map(|expr| self.node(expr, lazy)).collect()
    }

    fn column(&self, name: &str) -> Result<Node> {
        let place = self.columns.iter().position(|(known, _)| known == name).ok_or_else(|| {
            Error::unknown("column", name, self.columns.iter().map(|(known, _)| known.as_str()))
        })?;
        Ok(match self.columns[place].1 {
            Type::Null => Node::null(Type::Null),
            ty => Node { ty, kind: Kind::Column(place) },
        })
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn binary(a: Node, operator: Operator, b: Node) -> Result<Node> {
    use Operator::{
        Add, And, AtLeast, AtMost, Concat, Divide, DivideWhole, Equal, Greater, Less, Multiply,
        NotEqual, Or, Remainder, Subtract,
    };
    match operator {
        Add | Subtract | Multiply | Divide | DivideWhole | Remainder => {
            arithmetic::binary(a, operator, b)
        }
        Equal | NotEqual | Less | AtMost | Greater | AtLeast => compare::compare(a, operator, b),
        And | Or => logic::connect(a, operator, b),
        Concat => function::join(a, b),
    }
}

/// `CASE`; the values meet in one type.
pub(super) fn case(whens: Vec<(Node, Node)>, otherwise: Node) -> Result<Node> {
    for (condition, _) in &whens {
        if !matches!(condition.ty, Type::Bool | Type::Null) {
            return Err(Error::invalid(format!(
                "WHEN takes conditions, not {}; compare it with something",
                condition.ty
            )));
        }
    }
    let values: Vec<&Node> = whens.iter().map(|(_, value)| value).chain([&otherwise]).collect();
    let ty = common(&values)?;
    let whens = whens
        .into_iter()
        .map(|(condition, value)| Ok((condition, coerce(value, ty)?)))
        .collect::<Result<_>>()?;
    let otherwise = Box::new(coerce(otherwise, ty)?);
    Ok(Node { ty, kind: Kind::Case(whens, otherwise) })
}

/// Marks the largest parts that read one column of text alone.
fn spread_texts(node: Node, columns: &[(String, Type)]) -> Node {
    let Node { ty, kind } = node;
    if matches!(kind, Kind::Column(_) | Kind::Constant(_)) {
        return Node { ty, kind };
    }
    let node = Node { ty, kind };
    if let [place] = node.reads()[..]
        && columns[place].1 == Type::Str
    {
        return Node { ty, kind: Kind::Spread(place, Box::new(node)) };
    }
    let spread = |node| spread_texts(node, columns);
    let all = |nodes: Vec<Node>| nodes.into_iter().map(spread).collect();
    let kind = match node.kind {
        Kind::Apply(kernel, nodes) => Kind::Apply(kernel, all(nodes)),
        Kind::Coalesce(nodes) => Kind::Coalesce(all(nodes)),
        Kind::Case(whens, otherwise) => Kind::Case(
            whens
                .into_iter()
                .map(|(condition, value)| (spread(condition), spread(value)))
                .collect(),
            Box::new(spread(*otherwise)),
        ),
        other => other,
    };
    Node { ty, kind }
}
