//! Aggregates: groups in parallel, and the series of a group in parallel, merged in their order.

use std::sync::Arc;

use arrow_array::RecordBatch;
use rayon::prelude::*;

use super::arrange::{check_columns, having, limit, order};
use super::fill::{Cells, fill};
use super::{Frame, Group, Tags, groups};
use crate::error::{Error, Result};
use crate::kernels::{Accumulator, FieldPlan, Function, Guard, Needs};
use crate::model::{Column, FieldType, TableSchema};
use crate::query::plan::{check_range, tag_filter, tag_ids};
use crate::query::{AggregateQuery, ChunkSource, QueryContext};

/// Most tasks that the series of one group are cut into; fixed, so that a sum does not depend on
/// the threads.
const TASKS: usize = 64;

/// What to compute, looked up in the schema.
pub(super) struct Asked {
    plan: Arc<[FieldPlan]>,
    /// A position in the plan and a function, one an output column.
    pub(super) outputs: Vec<(usize, Function)>,
    pub(super) names: Vec<String>,
    pub(super) types: Vec<FieldType>,
}

impl Asked {
    fn of(schema: &TableSchema, fields: &[(String, Vec<Function>)]) -> Result<Self> {
        let mut plan: Vec<FieldPlan> = Vec::new();
        let (mut outputs, mut names, mut types) = (Vec::new(), Vec::new(), Vec::new());
        for (name, functions) in fields {
            let field = schema.require_field(name)?;
            let ty = schema.fields[field].ty;
            let at = plan.iter().position(|p| p.field == field).unwrap_or_else(|| {
                plan.push(FieldPlan { field, ty, needs: Needs::default() });
                plan.len() - 1
            });
            if functions.is_empty() {
                return Err(Error::invalid(format!(
                    "field {name:?} has no functions; give it one at least, such as \"mean\""
                )));
            }
            for &function in functions {
                let output = function.output(ty);
                types.push(output.map_err(|e| e.within(format!("field {name:?}")))?);
                function.require(&mut plan[at].needs);
                outputs.push((at, function));
                names.push(format!("{name}_{}", function.name()));
            }
        }
        if plan.is_empty() {
            return Err(Error::invalid(
                "fields is empty; name one field at least, with its functions",
            ));
        }
        Ok(Self { plan: plan.into(), outputs, names, types })
    }

    /// The fields read, ascending.
    fn fields(&self) -> Vec<usize> {
        let mut fields: Vec<usize> = self.plan.iter().map(|p| p.field).collect();
        fields.sort_unstable();
        fields
    }
}

/// Runs an aggregate query; [`AggregateQuery`] says what comes out.
///
/// # Errors
/// [`Error::InvalidArgument`] for a plan that cannot be, [`Error::NotFound`] for unknown names,
/// and what the source and the context report.
pub fn aggregate(
    source: &dyn ChunkSource,
    query: &AggregateQuery,
    context: &QueryContext,
) -> Result<RecordBatch> {
    check_range(query.range)?;
    let schema = source.schema();
    let asked = Asked::of(schema, &query.fields)?;
    let by = tag_ids(schema, &query.by)?;
    let filter = tag_filter(schema, &query.filter)?;
    // Checks `every` even when there is nothing to read.
    Accumulator::new(Arc::clone(&asked.plan), query.every)?;
    if query.fill.is_some() && query.every.is_none() {
        return Err(Error::invalid("fill needs every: without buckets there is no gap to fill"));
    }
    check_columns(query, &asked)?;

    let fields = asked.fields();
    let groups = groups(source.series(&filter, query.range)?, &by);
    let cells = groups
        .par_iter()
        .map(|group| one_group(source, group, query, &asked, &fields, context))
        .collect::<Result<Vec<_>>>()?;
    let mut found: Vec<(&Group, Cells)> =
        groups.iter().zip(cells).filter(|(_, cells)| !cells.times.is_empty()).collect();
    if let (Some(fill_with), Some(every)) = (&query.fill, query.every) {
        fill(&mut found, fill_with, every, query.range, &asked.outputs, &asked.names, context)?;
    }
    let mut frame = frame(found, query, &asked);
    if let Some(condition) = &query.having {
        having(&mut frame, condition)?;
    }
    order(&mut frame, &query.order)?;
    limit(&mut frame, query.limit);
    frame.into_batch()
}

fn one_group(
    source: &dyn ChunkSource,
    group: &Group,
    query: &AggregateQuery,
    asked: &Asked,
    fields: &[usize],
    context: &QueryContext,
) -> Result<Cells> {
    let duplicates = source.schema().duplicates;
    let fold = |series: &[crate::query::SeriesRef]| {
        let mut own = Accumulator::new(Arc::clone(&asked.plan), query.every)?;
        for one in series {
            context.poll()?;
            let parts = source.parts(one, query.range, fields)?;
            own.fold_series(&parts, query.range, duplicates, context)?;
        }
        Ok(own)
    };
    let each = group.series.len().div_ceil(TASKS).max(1);
    let whole = if each == 1 && group.series.len() == 1 {
        fold(&group.series)?
    } else {
        let parts = group.series.par_chunks(each).map(fold).collect::<Result<Vec<_>>>()?;
        let mut whole = Accumulator::new(Arc::clone(&asked.plan), query.every)?;
        for part in parts {
            whole.merge(part, context)?;
        }
        whole
    };
    let (times, columns) = whole.finish(&asked.outputs, duplicates)?;
    context.charge(times.len() * 8 * (1 + columns.len()))?;
    Ok(Cells { times, columns })
}

fn frame(found: Vec<(&Group, Cells)>, query: &AggregateQuery, asked: &Asked) -> Frame {
    let mut tags = vec![Tags::default(); query.by.len()];
    let mut times = Vec::new();
    let mut columns: Vec<Column> = asked.types.iter().map(|&ty| Column::empty(ty)).collect();
    for (group, cells) in found {
        let rows = cells.times.len();
        for (tag, value) in tags.iter_mut().zip(&group.key) {
            tag.push(value.as_deref(), rows);
        }
        if times.is_empty() {
            times = cells.times;
            columns = cells.columns;
        } else {
            times.extend_from_slice(&cells.times);
            for (to, from) in columns.iter_mut().zip(&cells.columns) {
                to.extend_from(from, 0..rows);
            }
        }
    }
    Frame {
        rows: times.len(),
        time: query.every.is_some().then_some(times),
        tags: query.by.iter().cloned().zip(tags).collect(),
        columns: asked.names.iter().cloned().zip(columns).collect(),
        times: Vec::new(),
    }
}
