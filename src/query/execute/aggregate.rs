//! Aggregates: groups in parallel, and the series of a group in parallel, merged in their order.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, ListArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema};
use rayon::prelude::*;

use super::asked::{Asked, AskedOutput};
use super::bucket::{Buckets, Calendar};
use super::fill::{Found, fill};
use super::finish::Finisher;
use super::frame::{array, times_array};
use super::row_map::Mapping;
use super::{Frame, Group, Tags, groups, rolled, series_of};
use crate::error::{Error, Result};
use crate::kernels::guard::Hold;
use crate::kernels::{Accumulator, Bucketing, Cells, Guard, Lists, RowMap};
use crate::model::{Column, TableSchema, TimeRange, Timestamp, Values};
use crate::query::expr::{Expr, Type};
use crate::query::plan::{OrderBy, check_range, tag_ids};
use crate::query::{AggregateQuery, ChunkSource, QueryContext, SeriesRef};

/// Most tasks that the series of one group are cut into; fixed, so that a sum does not depend on
/// the threads.
const TASKS: usize = 64;
/// Groups that one task takes, one after the other in the same memory.
const GROUPS_AT_ONCE: usize = 16;
/// Series of a group that are not worth tasks of their own where there are other groups.
const FEW: usize = 4;
/// By how much more buckets are read when those read have too few rows.
const GROWTH: usize = 8;

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
    let asked = Asked::of(schema, query)?;
    let by = tag_ids(schema, &query.by)?;
    let buckets = Buckets::of(query.bucket.as_ref())?;
    check_fill(query)?;
    let finisher = Finisher::new(&query.finish, &nothing(query, &asked)?.schema())?;

    let condition = asked.mapping.as_ref().and_then(Mapping::condition);
    let mut narrowed = query.clone();
    if let Some(condition) = condition {
        narrowed.range = query.range.intersect(&condition.range());
    }
    let query = &narrowed;
    rolled::check(source, &asked, query.range)?;
    let mut series = series_of(source, &query.filter, query.range, context)?;
    if let Some(condition) = condition {
        series = condition.series(series)?;
    }
    // Before anything is made of them: a group has one row at least, with states until then.
    let run = Run { source, query, asked: &asked, context };
    let groups = groups(series, &by);
    context.charge(groups.len() * (asked.row_bytes() + size_of::<Group>()))?;
    let bucketing = match &buckets {
        Buckets::Even(bucketing) => bucketing.clone(),
        Buckets::Calendar(calendar) => run.calendar(calendar, &groups)?,
    };
    let ends = Ends::of(query, &bucketing).filter(|_| source.prunes());
    let mut found = match ends {
        Some(ends) => run.near_an_end(&groups, &bucketing, ends)?,
        None => run.all(&groups, &bucketing, query.range)?,
    };
    if !query.fill.is_empty() {
        let result = bucketing.of_result();
        fill(&mut found, &query.fill, &result, query.range, &asked.outputs, context)?;
    }
    if query.one_row && found.starts.is_empty() {
        found = of_nothing(&asked);
    }
    finisher.apply(batch(found, &groups, query, &asked)?)
}

/// The buckets of a query.
pub(super) fn bucketing(
    source: &dyn ChunkSource,
    query: &AggregateQuery,
    context: &QueryContext,
) -> Result<Bucketing> {
    match Buckets::of(query.bucket.as_ref())? {
        Buckets::Even(bucketing) => Ok(bucketing),
        Buckets::Calendar(calendar) => {
            let asked = Asked::of(source.schema(), query)?;
            let run = Run { source, query, asked: &asked, context };
            let series = series_of(source, &query.filter, query.range, context)?;
            run.calendar(&calendar, &groups(series, &tag_ids(source.schema(), &query.by)?))
        }
    }
}

/// One row of no point: counts are 0, all else is null.
fn of_nothing(asked: &Asked) -> Found {
    let mut columns = asked.empty_columns();
    for (output, cells) in asked.outputs.iter().zip(&mut columns) {
        match cells {
            Cells::Lists(lists) => lists.push(None),
            Cells::Column(column) if output.counts => {
                column.push_from(&Column::new(Values::I64(vec![0])), 0);
            }
            Cells::Column(column) => column.push_null(),
        }
    }
    Found { starts: vec![0], columns, groups: Vec::new() }
}

/// The columns of a result with their types.
///
/// # Errors
/// As [`aggregate`] for its plan.
pub fn result_columns(schema: &TableSchema, query: &AggregateQuery) -> Result<Vec<(String, Type)>> {
    let asked = Asked::of(schema, query)?;
    let schema = nothing(query, &asked)?.schema();
    let fields = schema.fields().iter();
    Ok(fields.map(|field| (field.name().clone(), Type::of(field.data_type()))).collect())
}

/// A result without rows.
fn nothing(query: &AggregateQuery, asked: &Asked) -> Result<RecordBatch> {
    batch(Found { columns: asked.empty_columns(), ..Found::default() }, &[], query, asked)
}

fn check_fill(query: &AggregateQuery) -> Result<()> {
    if query.fill.is_empty() {
        return Ok(());
    }
    if query.bucket.is_none() {
        return Err(Error::invalid("fill needs every: without buckets there is no gap to fill"));
    }
    let (fills, aggregates) = (query.fill.len(), query.aggregates.len());
    if fills != 1 && fills != aggregates {
        return Err(Error::invalid(format!(
            "{fills} fills for {aggregates} aggregates; give one for all or one for each"
        )));
    }
    Ok(())
}

/// Only the first or the last buckets are asked for.
struct Ends {
    /// How many rows.
    rows: usize,
    /// From the latest on.
    last: bool,
}

impl Ends {
    /// Where a result of one group is ordered by time alone and has a limit.
    fn of(query: &AggregateQuery, bucketing: &Bucketing) -> Option<Self> {
        let finish = &query.finish;
        let rows = finish.limit?.checked_add(finish.offset)?;
        let plain = query.by.is_empty() && query.fill.is_empty() && finish.having.is_none();
        if !plain || finish.distinct || !bucketing.is_even() {
            return None;
        }
        let time = |expr: &Expr| *expr == Expr::column("time");
        let mut select = finish.select.iter().flatten();
        if select.any(|(name, expr)| name == "time" && !time(expr)) {
            return None;
        }
        match finish.order.as_slice() {
            [] => Some(Self { rows, last: false }),
            [OrderBy { by, descending, .. }, ..] if time(by) => {
                Some(Self { rows, last: *descending })
            }
            _ => None,
        }
    }
}

/// One query on its way.
struct Run<'a> {
    source: &'a dyn ChunkSource,
    query: &'a AggregateQuery,
    asked: &'a Asked,
    context: &'a QueryContext,
}

impl Run<'_> {
    /// All buckets of `range`.
    fn all(&self, groups: &[Group], bucketing: &Bucketing, range: TimeRange) -> Result<Found> {
        let fold = |(nth, groups): (usize, &[Group])| {
            let mut own = self.asked.accumulator(bucketing);
            let mut found = Found { columns: self.asked.empty_columns(), ..Found::default() };
            for (at, group) in groups.iter().enumerate() {
                self.fold(&mut own, group, bucketing, range)?;
                let before = found.starts.len();
                let duplicates = self.source.schema().duplicates;
                let asks = self.asked.asks();
                own.finish(&asks, duplicates, self.context, &mut found.starts, &mut found.columns)?;
                let rows = found.starts.len() - before;
                if rows > 0 {
                    found.groups.push((nth * GROUPS_AT_ONCE + at, rows));
                }
                self.context.charge(rows.saturating_sub(1) * self.asked.row_bytes())?;
            }
            Ok(found)
        };
        let each = groups.par_chunks(GROUPS_AT_ONCE).enumerate().map(fold);
        let mut each = each.collect::<Result<Vec<Found>>>()?.into_iter();
        let mut found = each
            .next()
            .unwrap_or_else(|| Found { columns: self.asked.empty_columns(), ..Found::default() });
        for more in each {
            found.groups.extend(more.groups);
            found.starts.extend(more.starts);
            for (own, more) in found.columns.iter_mut().zip(more.columns) {
                own.append(more);
            }
        }
        Ok(found)
    }

    /// The series of one group.
    fn fold(
        &self,
        whole: &mut Accumulator,
        group: &Group,
        bucketing: &Bucketing,
        range: TimeRange,
    ) -> Result<()> {
        let few = group.series.len() <= FEW;
        if few {
            return group.series.iter().try_for_each(|one| self.fold_series(whole, one, range));
        }
        let each = group.series.len().div_ceil(TASKS).max(1);
        let fold = |series: &[SeriesRef]| {
            let mut own = self.asked.accumulator(bucketing);
            series.iter().try_for_each(|one| self.fold_series(&mut own, one, range))?;
            Ok(own)
        };
        let parts = group.series.par_chunks(each).map(fold).collect::<Result<Vec<_>>>()?;
        parts.into_iter().try_for_each(|part| whole.merge(part, self.context))
    }

    fn fold_series(&self, own: &mut Accumulator, one: &SeriesRef, range: TimeRange) -> Result<()> {
        self.context.poll()?;
        let parts = self.source.parts(one, range, &self.asked.fields)?;
        let map = self.asked.mapping.as_ref().map(|mapping| mapping.of_series(&one.key));
        let map = map.as_ref().map(|map| map as &dyn RowMap);
        for partials in self.source.partials(one, range, &self.asked.plan.fields(), self.context)? {
            let mut hold = Hold::new(self.context);
            hold.grow(partials.bytes())?;
            own.take_partials(&partials)?;
        }
        own.fold_series(&parts, range, self.source.schema().duplicates, map, self.context)
    }

    /// The first and the last time of the data, at most, in the query's range.
    fn span(&self, groups: &[Group]) -> Result<Option<(Timestamp, Timestamp)>> {
        let range = self.query.range;
        let of_series = |one: &SeriesRef| {
            self.context.poll()?;
            let parts = self.source.parts(one, range, &self.asked.fields)?;
            let gone = self.source.partials(one, range, &[], self.context)?;
            let gone = gone.iter().flat_map(|partials| &partials.times).map(|time| (*time, *time));
            let spans = parts.iter().filter_map(|part| part.data.span()).chain(gone);
            Ok(spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))))
        };
        let spans = groups.par_iter().flat_map(|group| &group.series).map(of_series);
        let spans = spans.collect::<Result<Vec<_>>>()?;
        let span = spans.into_iter().flatten().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        Ok(span.and_then(|(first, last)| {
            let last = match range.end {
                Some(end) => last.min(end.checked_sub(1)?),
                None => last,
            };
            let first = first.max(range.start);
            (first <= last).then_some((first, last))
        }))
    }

    /// A table of a calendar's buckets: of the range where that has two ends, else of the data.
    fn calendar(&self, calendar: &Calendar, groups: &[Group]) -> Result<Bucketing> {
        let range = self.query.range;
        let filled = !self.query.fill.is_empty();
        let of_range = calendar.estimate(range).map(|buckets| (buckets, Calendar::check(buckets)));
        let span = match (of_range, range.end) {
            (Some((_, checked)), Some(end)) if filled || checked.is_ok() => {
                checked?;
                end.checked_sub(1).filter(|last| *last >= range.start).map(|l| (range.start, l))
            }
            _ => self.span(groups)?,
        };
        match span {
            Some((first, last)) => {
                let table = calendar.over(first, last)?;
                self.context.charge(table.bytes())?;
                Ok(table)
            }
            None => Ok(Bucketing::table(Vec::new())),
        }
    }

    /// At least the first or the last rows asked for, and all where there are fewer: reads a few
    /// buckets from that end, then more.
    fn near_an_end(&self, groups: &[Group], bucketing: &Bucketing, ends: Ends) -> Result<Found> {
        let range = self.query.range;
        if ends.rows == 0 {
            return self.all(groups, bucketing, TimeRange::new(Some(0), Some(0)));
        }
        let mut count = ends.rows;
        // Mostly the range ends where the data does.
        let end = if ends.last {
            range.end.and_then(|end| end.checked_sub(1))
        } else {
            Some(range.start).filter(|start| *start != i64::MIN)
        };
        if let Some(end) = end {
            let found =
                self.all(groups, bucketing, near(bucketing, range, end, count, ends.last))?;
            if found.starts.len() >= ends.rows {
                return Ok(found);
            }
        }
        let Some((first, last)) = self.span(groups)? else {
            return self.all(groups, bucketing, TimeRange::new(Some(0), Some(0)));
        };
        let buckets = bucketing.of(last).abs_diff(bucketing.of(first)).saturating_add(1);
        loop {
            let whole = buckets <= count as u64;
            let end = if ends.last { last } else { first };
            let some = if whole { range } else { near(bucketing, range, end, count, ends.last) };
            let found = self.all(groups, bucketing, some)?;
            if whole || found.starts.len() >= ends.rows {
                return Ok(found);
            }
            count = count.saturating_mul(GROWTH);
        }
    }
}

/// The `count` buckets from that of `end` on, or up to it.
fn near(
    bucketing: &Bucketing,
    range: TimeRange,
    end: Timestamp,
    count: usize,
    up_to: bool,
) -> TimeRange {
    let (bucket, count) = (bucketing.of(end), i64::try_from(count).unwrap_or(i64::MAX));
    let near = if up_to {
        let first = bucket.saturating_sub(count - 1);
        TimeRange::new(Some(bucketing.start(first)), None)
    } else {
        let past = bucketing.start(bucket.saturating_add(count));
        TimeRange::new(None, Some(past).filter(|past| *past < i64::MAX))
    };
    range.intersect(&near)
}

/// The result as Arrow has it: `time`, tags, then the outputs.
fn batch(
    found: Found,
    groups: &[Group],
    query: &AggregateQuery,
    asked: &Asked,
) -> Result<RecordBatch> {
    let mut tags = vec![Tags::default(); query.by.len()];
    for (group, rows) in &found.groups {
        for (tag, value) in tags.iter_mut().zip(&groups[*group].key) {
            tag.push(value.as_deref(), *rows);
        }
    }
    let rows = found.starts.len();
    let frame = Frame {
        rows,
        time: query.bucket.is_some().then_some(found.starts),
        tags: query.by.iter().cloned().zip(tags).collect(),
        columns: Vec::new(),
        times: Vec::new(),
    };
    let head = frame.into_batch()?;
    let mut fields: Vec<Arc<Field>> = head.schema().fields().iter().cloned().collect();
    let mut columns = head.columns().to_vec();
    for (output, cells) in asked.outputs.iter().zip(found.columns) {
        let column = output_array(output, cells)?;
        fields.push(Arc::new(Field::new(&output.name, column.data_type().clone(), true)));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .map_err(|e| Error::Internal(e.to_string()))
}

fn output_array(output: &AskedOutput, cells: Cells) -> Result<ArrayRef> {
    match cells {
        Cells::Lists(lists) => lists_array(lists),
        Cells::Column(Column { values: Values::I64(values), validity }) if output.times => {
            Ok(times_array(values, validity))
        }
        Cells::Column(column) => array(column),
    }
}

fn lists_array(lists: Lists) -> Result<ArrayRef> {
    let rows = lists.valid.len();
    let past = i32::try_from(lists.values.len()).map_err(|_| {
        Error::LimitExceeded(format!(
            "{rows} histograms of {} numbers are too many; take fewer bins or longer buckets",
            lists.width
        ))
    })?;
    let width = i32::try_from(lists.width).unwrap_or(past).max(1);
    let offsets: Vec<i32> = (0..=rows as i32).map(|row| row * width).collect();
    let nulls = NullBuffer::from_iter(lists.valid.iter());
    let nulls = (nulls.null_count() > 0).then_some(nulls);
    let field = Arc::new(Field::new("item", DataType::Int64, true));
    let values = Arc::new(Int64Array::new(ScalarBuffer::from(lists.values), None));
    ListArray::try_new(field, OffsetBuffer::new(offsets.into()), values, nulls)
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|e| Error::Internal(e.to_string()))
}
