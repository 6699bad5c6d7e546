//! Groups: their keys, and expressions over what is aggregated of them.

use sqlparser::ast::{self, GroupByExpr, SelectItem};

use super::{Output, Row, expr_of, name_of};
use crate::query::expr::{Evaluator, Expr, Interval, Literal, Type};
use crate::query::{Aggregate, Bucket, Fill, Function};
use crate::sql::aggregates::has_aggregate;
use crate::sql::clauses::{FILL, SAMPLE, STEP};
use crate::sql::lower::{Scope, outside};
use crate::sql::{Found, Planner};

/// What makes a group.
pub(super) struct Keys<'a> {
    row: Row<'a>,
    pub(super) bucket: Option<Bucket>,
    /// The expressions that stand for the bucket's start.
    bucket_forms: Vec<ast::Expr>,
    /// Tags.
    pub(super) by: Vec<String>,
    /// A duration alone stands for the bucket: the keys come first in the result, asked or not.
    short: bool,
    fill: Vec<(ast::Expr, Option<Fill>)>,
}

/// A bucket, as GROUP BY names it.
enum Key {
    /// A duration alone.
    Short(Bucket),
    /// An expression.
    Full(Bucket),
}

impl<'a> Keys<'a> {
    pub(super) fn of(
        planner: &'a Planner<'a>,
        select: &ast::Select,
        row: Row<'a>,
        tags_alone: bool,
    ) -> Found<Self> {
        let mut keys = Self {
            row,
            bucket: None,
            bucket_forms: Vec::new(),
            by: Vec::new(),
            short: false,
            fill: Vec::new(),
        };
        let projected = || select.projection.iter().filter_map(expr_of);
        let mut sampled = false;
        match &select.group_by {
            GroupByExpr::All(_) => {
                for expr in projected().filter(|expr| !has_aggregate(expr)) {
                    keys.add(planner, expr)?;
                }
            }
            GroupByExpr::Expressions(exprs, modifiers) => {
                if !modifiers.is_empty() {
                    return outside("GROUP BY with a modifier".to_owned());
                }
                for expr in exprs {
                    sampled |= is_call(expr, SAMPLE);
                    let expr = keys.meant(planner, expr, select)?;
                    keys.add(planner, expr)?;
                }
            }
        }
        if tags_alone && keys.by.is_empty() && keys.bucket.is_none() {
            for expr in projected() {
                keys.add(planner, expr)?;
            }
        }
        // SAMPLE BY groups by the tags that are shown, as in QuestDB.
        if sampled {
            for expr in projected() {
                if let ast::Expr::Identifier(ident) = expr
                    && let Some(name) = keys.row.find(ident)
                    && keys.row.schema.tags.iter().any(|tag| tag == name)
                {
                    keys.add(planner, expr)?;
                }
            }
        }
        Ok(keys)
    }

    /// What a position or an alias in GROUP BY means; the columns of the table come before aliases.
    fn meant<'e>(
        &self,
        planner: &Planner<'_>,
        expr: &'e ast::Expr,
        select: &'e ast::Select,
    ) -> Found<&'e ast::Expr> {
        match expr {
            ast::Expr::Value(value) => {
                if let ast::Value::Number(digits, _) = &value.value {
                    let nth = digits.parse::<usize>().ok().and_then(|nth| nth.checked_sub(1));
                    let item = nth.and_then(|nth| select.projection.get(nth)).and_then(expr_of);
                    return match item {
                        Some(expr) => Ok(expr),
                        None => planner.wrong(
                            expr,
                            format!("position {digits} of {} columns", select.projection.len()),
                        ),
                    };
                }
                Ok(expr)
            }
            ast::Expr::Identifier(ident) => {
                let aliased = select.projection.iter().find_map(|item| match item {
                    SelectItem::ExprWithAlias { expr, alias } if alias.value == ident.value => {
                        Some(expr)
                    }
                    _ => None,
                });
                match aliased {
                    // An alias for a bucket hides the column that it is made of.
                    Some(aliased) if bucket_call(aliased) || self.row.find(ident).is_none() => {
                        Ok(aliased)
                    }
                    _ => Ok(expr),
                }
            }
            _ => Ok(expr),
        }
    }

    fn add(&mut self, planner: &Planner<'_>, expr: &ast::Expr) -> Found<()> {
        if let ast::Expr::Function(call) = expr
            && is_call(expr, FILL)
        {
            for way in planner.arguments(call)? {
                let fill = self.fill_of(planner, way)?;
                self.fill.push((way.clone(), fill));
            }
            return Ok(());
        }
        if let Some(key) = self.bucket_of(planner, expr)? {
            if self.bucket.is_some() {
                if self.bucket_forms.contains(expr) {
                    return Ok(());
                }
                return outside("GROUP BY of two buckets".to_owned());
            }
            match key {
                Key::Short(bucket) => {
                    self.short = true;
                    self.bucket = Some(bucket);
                }
                Key::Full(bucket) => self.bucket = Some(bucket),
            }
            self.bucket_forms.push(expr.clone());
            return Ok(());
        }
        match planner.lower(expr, &mut self.row)? {
            Expr::Column(name) if self.row.schema.tags.contains(&name) => {
                if !self.by.contains(&name) {
                    self.by.push(name);
                }
                Ok(())
            }
            Expr::Column(name) => outside(format!("GROUP BY of the column {name}")),
            _ => outside(format!("GROUP BY of the expression {expr}")),
        }
    }

    /// The bucket that a key is.
    fn bucket_of(&mut self, planner: &Planner<'_>, expr: &ast::Expr) -> Found<Option<Key>> {
        let plain = |width: Interval| Bucket { width, origin: None, timezone: None, step: None };
        let call = match expr {
            ast::Expr::Interval(interval) => {
                return Ok(Some(Key::Short(plain(planner.interval(interval)?))));
            }
            ast::Expr::Function(call) => call,
            _ => return Ok(None),
        };
        let name = call.name.to_string().to_lowercase();
        if !matches!(name.as_str(), STEP | SAMPLE | "time_bucket" | "date_trunc") {
            return Ok(None);
        }
        let arguments = planner.arguments(call)?;
        let time = Expr::column("time");
        let width = |expr: &ast::Expr| match expr {
            ast::Expr::Interval(interval) => planner.interval(interval),
            other => match planner.constant(&planner.lower(other, &mut super::Nowhere)?, other)? {
                Literal::Str(text) => {
                    Interval::parse(&text).or_else(|error| planner.wrong(other, error))
                }
                Literal::Interval(interval) => Ok(interval),
                _ => planner.wrong(other, format!("a length of time such as '5m', not {other}")),
            },
        };
        match (name.as_str(), arguments.as_slice()) {
            (SAMPLE, [every]) => Ok(Some(Key::Short(plain(width(every)?)))),
            (STEP, [long, step]) => {
                let every = width(step)?;
                if every.months != 0 || every.nanos <= 0 {
                    return planner
                        .wrong(*step, "STEP takes a positive length of time below months");
                }
                let bucket = Bucket { step: Some(every.nanos), ..plain(width(long)?) };
                Ok(Some(Key::Short(bucket)))
            }
            ("date_trunc", [unit, of, rest @ ..]) if rest.len() < 2 => {
                if planner.lower(of, &mut self.row)? != time {
                    return Ok(None);
                }
                let Literal::Str(unit) =
                    planner.constant(&planner.lower(unit, &mut super::Nowhere)?, *unit)?
                else {
                    return planner.wrong(*unit, "date_trunc takes a unit such as 'hour'");
                };
                let one = format!("1 {unit}");
                let every = Interval::parse(&one).or_else(|error| planner.wrong(call, error))?;
                let timezone = rest.first().map(|zone| text_of(planner, zone)).transpose()?;
                Ok(Some(Key::Full(Bucket { timezone, ..plain(every) })))
            }
            ("time_bucket", [every, of, rest @ ..]) if rest.len() < 3 => {
                if planner.lower(of, &mut self.row)? != time {
                    return Ok(None);
                }
                let mut bucket = plain(width(every)?);
                for argument in rest {
                    self.bucket_option(planner, argument, &mut bucket)?;
                }
                Ok(Some(Key::Full(bucket)))
            }
            _ => planner.wrong(
                call,
                "time_bucket takes a width, the time, and an origin or a time zone: \
                 time_bucket('1d', time, 'Europe/Berlin')",
            ),
        }
    }

    /// An origin or a time zone.
    fn bucket_option(
        &self,
        planner: &Planner<'_>,
        argument: &ast::Expr,
        bucket: &mut Bucket,
    ) -> Found<()> {
        let lowered = planner.lower(argument, &mut super::Nowhere)?;
        let value = planner.constant(&lowered, argument)?;
        let as_time = |expr: Expr| {
            let cast = Expr::Cast { of: Box::new(expr), to: Type::Time, attempt: true };
            match Evaluator::new(&cast, &[]).map(|evaluator| evaluator.constant()) {
                Ok(Some(Literal::Time(ns))) => Some(ns),
                _ => None,
            }
        };
        match value {
            Literal::Time(ns) => bucket.origin = Some(ns),
            Literal::Str(text) => match as_time(lowered) {
                Some(ns) => bucket.origin = Some(ns),
                None => bucket.timezone = Some(text),
            },
            _ => {
                return planner.wrong(
                    argument,
                    format!("an origin such as '2024-01-01' or a time zone, not {argument}"),
                );
            }
        }
        Ok(())
    }

    fn fill_of(&self, planner: &Planner<'_>, way: &ast::Expr) -> Found<Option<Fill>> {
        if let ast::Expr::Identifier(ident) = way {
            return Ok(Some(match ident.value.to_lowercase().as_str() {
                "prev" | "previous" => Fill::Previous,
                "linear" => Fill::Linear,
                "null" => Fill::Null,
                "none" => return Ok(None),
                other => {
                    return planner.wrong(
                        way,
                        format!("FILL takes prev, linear, null, none or a number, got {other}"),
                    );
                }
            }));
        }
        match planner.constant(&planner.lower(way, &mut super::Nowhere)?, way)? {
            Literal::Null => Ok(Some(Fill::Null)),
            Literal::Int(value) => Ok(Some(Fill::Value(value as f64))),
            Literal::Float(value) => Ok(Some(Fill::Value(value))),
            _ => planner.wrong(way, "FILL takes prev, linear, null, none or a number"),
        }
    }

    /// One way for all aggregates, or one for each of the `shown`; hidden ones stay null.
    pub(super) fn fills(
        &self,
        planner: &Planner<'_>,
        shown: usize,
        aggregates: usize,
    ) -> Found<Vec<Fill>> {
        let Some((at, first)) = self.fill.first() else { return Ok(Vec::new()) };
        if self.bucket.is_none() {
            return planner.wrong(at, "FILL needs buckets: GROUP BY 5m FILL(prev)");
        }
        if self.fill.len() == 1 {
            return Ok(first.iter().cloned().collect());
        }
        if self.fill.len() != shown {
            return planner
                .wrong(at, format!("FILL has {} ways for {shown} aggregates", self.fill.len()));
        }
        let mut fills: Vec<Fill> =
            self.fill.iter().map(|(_, fill)| fill.clone().unwrap_or(Fill::Null)).collect();
        fills.resize(aggregates, Fill::Null);
        Ok(fills)
    }

    /// The outputs with the keys in front that a duration alone asks for and nobody named.
    pub(super) fn with_unnamed(&self, outputs: Vec<Output>) -> Vec<Output> {
        if !self.short {
            return outputs;
        }
        let shown = |key: &str| outputs.iter().any(|(_, expr)| *expr == Expr::column(key));
        let keys = std::iter::once("time").chain(self.by.iter().map(String::as_str));
        let mut all: Vec<Output> =
            keys.filter(|key| !shown(key)).map(|key| (key.to_owned(), Expr::column(key))).collect();
        all.extend(outputs);
        all
    }
}

fn text_of(planner: &Planner<'_>, expr: &ast::Expr) -> Found<String> {
    match planner.constant(&planner.lower(expr, &mut super::Nowhere)?, expr)? {
        Literal::Str(text) => Ok(text),
        _ => planner.wrong(expr, format!("text is wanted here, not {expr}")),
    }
}

fn is_call(expr: &ast::Expr, name: &str) -> bool {
    matches!(expr, ast::Expr::Function(call) if call.name.to_string().eq_ignore_ascii_case(name))
}

/// Whether an expression may be the start of a bucket.
fn bucket_call(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Interval(_))
        || [STEP, SAMPLE, "time_bucket", "date_trunc"].iter().any(|name| is_call(expr, name))
}

/// Expressions over groups.
pub(super) struct Groups<'a> {
    planner: &'a Planner<'a>,
    pub(super) keys: Keys<'a>,
    pub(super) aggregates: Vec<Aggregate>,
    /// Aliases of the projection, for HAVING and ORDER BY.
    aliases: Vec<(ast::Ident, ast::Expr)>,
    /// Within an alias names mean columns.
    within_alias: bool,
    /// The projection is done.
    projected: bool,
}

impl<'a> Groups<'a> {
    pub(super) fn new(planner: &'a Planner<'a>, keys: Keys<'a>) -> Self {
        Self {
            planner,
            keys,
            aggregates: Vec::new(),
            aliases: Vec::new(),
            within_alias: false,
            projected: false,
        }
    }

    /// How many aggregates there are so far.
    pub(super) fn shown(&self) -> usize {
        self.aggregates.len()
    }

    /// Makes the aliases of the projection, which is done, known.
    pub(super) fn alias(&mut self, projection: &[SelectItem]) {
        self.projected = true;
        self.aliases = projection
            .iter()
            .filter_map(|item| match item {
                SelectItem::ExprWithAlias { expr, alias } => Some((alias.clone(), expr.clone())),
                _ => None,
            })
            .collect();
    }

    /// The outputs of an item of the projection.
    pub(super) fn item(&mut self, item: &SelectItem, outputs: &mut Vec<Output>) -> Found<()> {
        let (expr, alias) = match item {
            SelectItem::UnnamedExpr(expr) => (expr, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias)),
            other => {
                return self
                    .planner
                    .wrong(other, "* cannot stand beside groups: name the keys and aggregates");
            }
        };
        if let ast::Expr::Function(call) = expr
            && is_call(expr, "candlestick")
        {
            return self.candlestick(call, alias, outputs);
        }
        let lowered = self.planner.lower(expr, self)?;
        let name = match alias {
            Some(alias) => alias.value.clone(),
            None if lowered == Expr::column("time") => "time".to_owned(),
            None => name_of(expr, &lowered),
        };
        outputs.push((name, lowered));
        Ok(())
    }

    /// `candlestick(price[, volume])`: open, high, low, close and volume, with the alias before.
    fn candlestick(
        &mut self,
        call: &ast::Function,
        alias: Option<&ast::Ident>,
        outputs: &mut Vec<Output>,
    ) -> Found<()> {
        let (_, Some(arguments)) = self.planner.aggregate_arguments(call)? else {
            return self.planner.wrong(call, "candlestick takes a price and a volume");
        };
        self.planner.takes(call, &arguments, 1..=2)?;
        let price = self.planner.lower(arguments[0], &mut self.keys.row)?;
        let mut columns = vec![
            ("open", Function::First, price.clone()),
            ("high", Function::Max, price.clone()),
            ("low", Function::Min, price.clone()),
            ("close", Function::Last, price),
        ];
        if let Some(volume) = arguments.get(1) {
            let volume = self.planner.lower(volume, &mut self.keys.row)?;
            columns.push(("volume", Function::Sum, volume));
        }
        for (name, function, input) in columns {
            let name = match alias {
                Some(alias) => format!("{}_{name}", alias.value),
                None => name.to_owned(),
            };
            outputs.push((name, self.computed(function, vec![input])));
        }
        Ok(())
    }

    /// The rows of a group, so that there is something to aggregate.
    pub(super) fn count_rows(&mut self) {
        self.put(Function::Rows, Vec::new());
    }

    fn put(&mut self, function: Function, inputs: Vec<Expr>) -> String {
        let known = |one: &&Aggregate| one.function == function && one.inputs == inputs;
        // Each of the projection's may be filled in a way of its own.
        let shared = self.projected || self.keys.fill.len() < 2;
        if let Some(one) = self.aggregates.iter().find(known).filter(|_| shared) {
            return one.name.clone();
        }
        let name = format!("__a{}", self.aggregates.len());
        self.aggregates.push(Aggregate { name: name.clone(), function, inputs });
        name
    }

    /// What an aggregate is over the groups.
    fn computed(&mut self, function: Function, inputs: Vec<Expr>) -> Expr {
        Expr::column(self.put(function, inputs))
    }
}

impl Scope for Groups<'_> {
    fn column(&mut self, path: &[ast::Ident]) -> Found<Expr> {
        let found = match path {
            [ident] => self.keys.row.find(ident),
            _ => None,
        };
        let is_key = |name: &str| {
            self.keys.by.iter().any(|by| by == name)
                || (name == "time" && self.keys.bucket.is_some())
        };
        if let Some(name) = found.filter(|name| is_key(name)) {
            return Ok(Expr::column(name));
        }
        if let [ident] = path
            && !self.within_alias
        {
            let alias =
                self.aliases.iter().find(|(alias, _)| super::row::same(ident, &alias.value));
            if let Some((_, expr)) = alias.cloned() {
                self.within_alias = true;
                let lowered = self.planner.lower(&expr, self);
                self.within_alias = false;
                return lowered;
            }
        }
        let Expr::Column(name) = self.keys.row.column(path)? else {
            return outside("a column".to_owned());
        };
        if is_key(&name) {
            return Ok(Expr::Column(name));
        }
        let at = &path[path.len() - 1];
        let works = if name == "time" {
            "group by a bucket such as 5m, or take min(time), max(time)".to_owned()
        } else {
            format!("add it to GROUP BY, or aggregate it: avg({name}), last({name})")
        };
        self.planner.wrong(at, format!("the column {name:?} is not of the groups: {works}"))
    }

    fn whole(&mut self, expr: &ast::Expr) -> Found<Option<Expr>> {
        Ok(self.keys.bucket_forms.contains(expr).then(|| Expr::column("time")))
    }

    fn aggregate(&mut self, call: &ast::Function) -> Found<Expr> {
        let (function, inputs) = self.planner.aggregate(call, &mut self.keys.row)?;
        Ok(self.computed(function, inputs))
    }
}
