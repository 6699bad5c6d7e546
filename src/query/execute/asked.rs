//! The aggregates of a query, looked up in the schema.

use std::sync::Arc;

use super::row_map::Mapping;
use crate::error::{Error, Result};
use crate::kernels::{Accumulator, Ask, Bucketing, Cells, Output, Plan, Source};
use crate::model::{FieldType, TableSchema};
use crate::query::AggregateQuery;
use crate::query::expr::Expr;

/// What to compute.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) plan: Arc<Plan>,
    types: Arc<[FieldType]>,
    pub(super) outputs: Vec<AskedOutput>,
    /// Where there is a condition or an expression.
    pub(super) mapping: Option<Mapping>,
    /// The fields to ask the source for; none asks for all.
    pub(super) fields: Vec<usize>,
}

/// One output column.
#[derive(Clone, Debug)]
pub(super) struct AskedOutput {
    pub(super) name: String,
    pub(super) ask: Ask,
    pub(super) ty: Output,
    /// Integers that are times in nanoseconds.
    pub(super) times: bool,
    /// 0 of nothing.
    pub(super) counts: bool,
}

impl Asked {
    pub(super) fn of(schema: &TableSchema, query: &AggregateQuery) -> Result<Self> {
        if query.aggregates.is_empty() {
            return Err(Error::invalid(
                "fields is empty; name one field at least, with its functions",
            ));
        }
        distinct_names(query)?;
        let plain = |expr: &Expr| match expr {
            Expr::Column(name) => schema.fields.iter().position(|field| field.name == *name),
            _ => None,
        };
        // No tag and no field has that name.
        let time = Expr::column("time");
        let mut computed: Vec<Expr> = Vec::new();
        for expr in query.aggregates.iter().flat_map(|aggregate| &aggregate.inputs) {
            if plain(expr).is_none() && *expr != time && !computed.contains(expr) {
                computed.push(expr.clone());
            }
        }
        let mapping = (query.predicate.is_some() || !computed.is_empty())
            .then(|| Mapping::new(schema, query.predicate.as_ref(), &computed))
            .transpose()?;
        let (mut plan, mut outputs) = (Plan::default(), Vec::new());
        for aggregate in &query.aggregates {
            let mut times = false;
            let mut inputs = Vec::with_capacity(2);
            for (nth, expr) in aggregate.inputs.iter().enumerate() {
                if let Some(field) = plain(expr) {
                    inputs.push((Source::Field(field), schema.fields[field].ty));
                } else if *expr == time {
                    inputs.push((Source::Time, FieldType::I64));
                    times |= nth == 0;
                } else if let Some(mapping) = &mapping
                    && let Some(at) = computed.iter().position(|known| known == expr)
                {
                    let (ty, of_times) = mapping.ty(at);
                    inputs.push((Source::Mapped(at), ty));
                    times |= of_times && nth == 0;
                }
            }
            let types: Vec<FieldType> = inputs.iter().map(|(_, ty)| *ty).collect();
            let function = aggregate.function;
            let ty = function.output(&types).map_err(|e| e.within(within(aggregate)))?;
            if times && !function.picks() && !function.counts() {
                return Err(Error::invalid(format!(
                    "{:?} does not work on times; count, min, max, first, last, mode, distinct, \
                     arg_min and arg_max do",
                    function.name()
                )));
            }
            let (name, ask) = (aggregate.name.clone(), plan.ask(function, &inputs));
            let (times, counts) = (times && function.picks(), function.counts());
            outputs.push(AskedOutput { name, ask, ty, times, counts });
        }
        // What is of no field is of every row.
        let of_field = |expr: &Expr| {
            expr.columns().iter().any(|name| schema.fields.iter().any(|f| f.name == *name))
        };
        plan.rows |= !computed.iter().all(of_field) || plan.of_time();
        let mut fields = plan.fields();
        fields.extend(mapping.iter().flat_map(|mapping| mapping.fields()));
        fields.sort_unstable();
        fields.dedup();
        if plan.rows {
            fields.clear();
        }
        let types = schema.fields.iter().map(|field| field.ty).collect();
        Ok(Self { plan: plan.into(), types, outputs, mapping, fields })
    }

    pub(super) fn accumulator(&self, bucketing: &Bucketing) -> Accumulator {
        Accumulator::new(Arc::clone(&self.plan), Arc::clone(&self.types), bucketing.clone())
    }

    pub(super) fn asks(&self) -> Vec<Ask> {
        self.outputs.iter().map(|output| output.ask).collect()
    }

    pub(super) fn empty_columns(&self) -> Vec<Cells> {
        self.outputs.iter().map(|output| Cells::empty(output.ty)).collect()
    }

    /// Bytes of a row of the result.
    pub(super) fn row_bytes(&self) -> usize {
        let width = |output: &AskedOutput| match output.ty {
            Output::Value(_) => 8,
            Output::List(width) => width * 8,
        };
        8 + self.outputs.iter().map(width).sum::<usize>()
    }
}

fn within(aggregate: &crate::query::Aggregate) -> String {
    match aggregate.inputs.as_slice() {
        [Expr::Column(field)] => format!("field {field:?}"),
        _ => format!("{:?}", aggregate.name),
    }
}

/// Checks that no two columns of the result have one name.
fn distinct_names(query: &AggregateQuery) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    let time = query.bucket.as_ref().map(|_| "time");
    let names = query.aggregates.iter().map(|aggregate| aggregate.name.as_str());
    for name in time.into_iter().chain(query.by.iter().map(String::as_str)).chain(names) {
        if !seen.insert(name) {
            return Err(Error::invalid(format!(
                "two columns of the result would be called {name:?}; ask for each function once, \
                 and not beside a tag of that name"
            )));
        }
    }
    Ok(())
}
