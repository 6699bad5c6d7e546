//! What a plan does, in lines: what it asks, and what each step of pruning leaves of the data.
//!
//! The steps are those of the execution, on the same source: series by tags, chunks by time,
//! blocks by time and statistics. Nothing is decoded.

use std::fmt::Write;

use super::aggregate::bucketing;
use super::asked::Asked;
use super::rolled::levels_text;
use crate::chunk::Part;
use crate::error::Result;
use crate::kernels::filter::Verdict;
use crate::kernels::merge::{all_live, blocks_in};
use crate::kernels::{Bucketing, Guard, Plan, Source};
use crate::model::{Duplicates, TimeRange};
use crate::query::expr::{Expr, Interval, time_text};
use crate::query::plan::{field_ids, tag_filter};
use crate::query::predicate::Predicate;
use crate::query::{
    Aggregate, AggregateQuery, Bucket, ChunkSource, Fill, Filter, Finish, LastQuery, QueryContext,
    ReadQuery, TagFilter,
};

/// What is left after each step.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    chunks: usize,
    chunks_in_range: usize,
    blocks: usize,
    skipped: usize,
    answered: usize,
}

/// Of an aggregate query.
///
/// # Errors
/// As the query's run, but for what only decoding finds.
pub fn aggregate(
    source: &dyn ChunkSource,
    query: &AggregateQuery,
    context: &QueryContext,
) -> Result<Vec<String>> {
    let asked = Asked::of(source.schema(), query)?;
    let predicate = predicate(source, query.predicate.as_ref())?;
    let statistics = statistics_do(&asked.plan).then(|| asked.plan.fields());
    let answered = match statistics {
        Some(fields) => Some((bucketing(source, query, context)?, fields)),
        None => None,
    };
    let look = Look { predicate, fields: asked.fields.clone(), answered, of_aggregates: true };
    let mut lines = Lines::new("aggregate", source, &query.filter, query.range);
    lines.condition("rows", query.predicate.as_ref());
    if let Some(bucket) = &query.bucket {
        lines.put("buckets", bucket_text(bucket));
    }
    if !query.by.is_empty() {
        lines.put("groups", query.by.join(", "));
    }
    lines.put(
        "aggregates",
        query.aggregates.iter().map(aggregate_text).collect::<Vec<_>>().join(", "),
    );
    if !query.fill.is_empty() {
        lines.put("fill", query.fill.iter().map(fill_text).collect::<Vec<_>>().join(", "));
    }
    lines.finish(&query.finish);
    lines.data(source, &query.filter, query.range, &look, context)?;
    Ok(lines.lines)
}

/// Of a read.
///
/// # Errors
/// As [`aggregate`].
pub fn read(
    source: &dyn ChunkSource,
    query: &ReadQuery,
    context: &QueryContext,
) -> Result<Vec<String>> {
    let look = Look::of_rows(source, query.fields.as_deref(), query.predicate.as_ref())?;
    let mut lines = Lines::new("read", source, &query.filter, query.range);
    lines.condition("rows", query.predicate.as_ref());
    lines.fields(query.fields.as_deref());
    lines.finish(&query.finish);
    lines.data(source, &query.filter, query.range, &look, context)?;
    Ok(lines.lines)
}

/// Of the latest rows.
///
/// # Errors
/// As [`aggregate`].
pub fn last(
    source: &dyn ChunkSource,
    query: &LastQuery,
    context: &QueryContext,
) -> Result<Vec<String>> {
    let look = Look::of_rows(source, query.fields.as_deref(), query.predicate.as_ref())?;
    let mut lines = Lines::new("latest", source, &query.filter, query.range);
    lines.condition("rows", query.predicate.as_ref());
    lines.put("groups", query.by.as_ref().map_or_else(|| "series".to_owned(), |by| by.join(", ")));
    lines.fields(query.fields.as_deref());
    lines.finish(&query.finish);
    lines.data(source, &query.filter, query.range, &look, context)?;
    Ok(lines.lines)
}

/// What becomes of a block.
enum Fate {
    /// Its statistics tell that no row passes.
    Skipped,
    /// Its statistics are all that is needed of it.
    Answered,
    /// It has to be looked into.
    Decoded,
}

/// What decides over blocks.
struct Look {
    predicate: Option<Predicate>,
    /// The fields to ask the source for; none asks for all.
    fields: Vec<usize>,
    /// Where statistics can answer: the buckets, and the fields that they must tell of.
    answered: Option<(Bucketing, Vec<usize>)>,
    /// Whether aggregates of rows that are gone count.
    of_aggregates: bool,
}

fn predicate(source: &dyn ChunkSource, condition: Option<&Expr>) -> Result<Option<Predicate>> {
    condition.map(|condition| Predicate::new(source.schema(), condition)).transpose()
}

/// Whether the statistics of blocks are enough for a plan.
fn statistics_do(plan: &Plan) -> bool {
    let stored = |source: Source| !matches!(source, Source::Mapped(_));
    plan.pairs.is_empty()
        && plan.inputs.iter().all(|input| stored(input.source) && input.in_statistics())
}

impl Look {
    fn of_rows(
        source: &dyn ChunkSource,
        fields: Option<&[String]>,
        condition: Option<&Expr>,
    ) -> Result<Self> {
        field_ids(source.schema(), fields)?;
        let predicate = predicate(source, condition)?;
        Ok(Self { predicate, fields: Vec::new(), answered: None, of_aggregates: false })
    }

    fn fate(
        &self,
        source: &dyn ChunkSource,
        parts: &[Part],
        (at, block): (usize, usize),
        range: TimeRange,
    ) -> Fate {
        let part = &parts[at];
        let span = part.data.block_span(block);
        let stats = |field: usize| match part.column_of(field) {
            Some(column) => part.data.stats(column, block),
            None => Some(None),
        };
        // What may replace a row of the block has to be merged with it.
        let alone = source.schema().duplicates == Duplicates::Keep
            || parts.iter().enumerate().all(|(other, part)| {
                other == at || part.data.span().is_none_or(|own| own.1 < span.0 || span.1 < own.0)
            });
        let rows = part.data.block_rows(block).len();
        let verdict = match &self.predicate {
            Some(predicate) if alone => predicate.verdict(rows, stats),
            Some(_) => Verdict::Some,
            None => Verdict::All,
        };
        if verdict == Verdict::None {
            return Fate::Skipped;
        }
        let Some((bucketing, fields)) = &self.answered else { return Fate::Decoded };
        let whole = alone
            && verdict == Verdict::All
            && all_live(part, range, span)
            && bucketing.of(span.0) == bucketing.of(span.1)
            && fields.iter().all(|field| stats(*field).is_some());
        if whole { Fate::Answered } else { Fate::Decoded }
    }
}

/// Lines of a name and what there is to say of it.
struct Lines {
    lines: Vec<String>,
}

impl Lines {
    fn new(verb: &str, source: &dyn ChunkSource, filter: &Filter, range: TimeRange) -> Self {
        let mut lines = Self { lines: vec![format!("kymograph: {verb} {}", source.schema().name)] };
        if range != TimeRange::ALL {
            let start = if range.start == i64::MIN { "...".into() } else { time_text(range.start) };
            let end = range.end.map_or_else(|| "...".to_owned(), time_text);
            lines.put("time", format!("[{start}, {end})"));
        }
        for (tag, values) in filter {
            let shown: Vec<&str> =
                values.iter().take(5).map(|v| v.as_deref().unwrap_or("NULL")).collect();
            let more = values.len().saturating_sub(5);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            lines.put("tags", format!("{tag} in {}{more}", shown.join(", ")));
        }
        lines
    }

    fn put(&mut self, name: &str, what: String) {
        self.lines.push(format!("  {:<12}{what}", format!("{name}:")));
    }

    fn condition(&mut self, name: &str, condition: Option<&Expr>) {
        if let Some(condition) = condition {
            self.put(name, condition.to_string());
        }
    }

    fn fields(&mut self, fields: Option<&[String]>) {
        let shown = match fields {
            None => "all".to_owned(),
            Some([]) => "none".to_owned(),
            Some(fields) => fields.join(", "),
        };
        self.put("fields", shown);
    }

    fn finish(&mut self, finish: &Finish) {
        self.condition("having", finish.having.as_ref());
        if let Some(outputs) = &finish.select {
            let shown = outputs.iter().map(|(name, expr)| match expr {
                Expr::Column(column) if column == name => name.clone(),
                expr => format!("{expr} AS {}", Expr::column(name)),
            });
            self.put("select", shown.collect::<Vec<_>>().join(", "));
        }
        if finish.distinct {
            self.put("distinct", "each row once".to_owned());
        }
        if !finish.order.is_empty() {
            let shown = finish.order.iter().map(|by| {
                let mut text = by.by.to_string();
                text.push_str(if by.descending { " DESC" } else { "" });
                text.push_str(if by.nulls_first { " NULLS FIRST" } else { "" });
                text
            });
            self.put("order", shown.collect::<Vec<_>>().join(", "));
        }
        if finish.limit.is_some() || finish.offset > 0 {
            let limit = finish.limit.map_or_else(|| "all".to_owned(), |limit| limit.to_string());
            self.put("limit", format!("{limit} from row {}", finish.offset));
        }
    }

    /// What of the data is looked at.
    fn data(
        &mut self,
        source: &dyn ChunkSource,
        filter: &Filter,
        range: TimeRange,
        look: &Look,
        context: &QueryContext,
    ) -> Result<()> {
        let all = source.series(&TagFilter::default(), TimeRange::ALL)?.len();
        let range = look.predicate.as_ref().map_or(range, |p| range.intersect(&p.range()));
        let mut kept = source.series(&tag_filter(source.schema(), filter)?, range)?;
        if let Some(predicate) = &look.predicate {
            kept = predicate.series(kept)?;
        }
        let mut total = Counts::default();
        for one in &kept {
            context.poll()?;
            total.chunks += source.parts(one, TimeRange::ALL, &look.fields)?.len();
            let parts = source.parts(one, range, &look.fields)?;
            total.chunks_in_range += parts.len();
            for (at, part) in parts.iter().enumerate() {
                for block in blocks_in(&part.data, range) {
                    total.blocks += 1;
                    match look.fate(source, &parts, (at, block), range) {
                        Fate::Skipped => total.skipped += 1,
                        Fate::Answered => total.answered += 1,
                        Fate::Decoded => {}
                    }
                }
            }
        }
        self.put("series", format!("{} of {all}", kept.len()));
        self.put("chunks", format!("{} of {} in the range", total.chunks_in_range, total.chunks));
        let decoded = total.blocks - total.skipped - total.answered;
        let mut text = format!("{} in the range: ", total.blocks);
        let _ = write!(
            text,
            "{} skipped by statistics, {} answered by statistics, {decoded} decoded",
            total.skipped, total.answered
        );
        self.put("blocks", text);
        let levels = source.levels(range);
        if look.of_aggregates && !levels.is_empty() {
            self.put("levels", levels_text(&levels));
        }
        Ok(())
    }
}

fn bucket_text(bucket: &Bucket) -> String {
    let mut text = bucket.width.to_string();
    if let Some(step) = bucket.step {
        let step = Interval { months: 0, nanos: step };
        let _ = write!(text, ", one every {step}");
    }
    if let Some(origin) = bucket.origin {
        let _ = write!(text, " from {}", time_text(origin));
    }
    if let Some(zone) = &bucket.timezone {
        let _ = write!(text, " in {zone}");
    }
    text
}

fn aggregate_text(aggregate: &Aggregate) -> String {
    let inputs: Vec<String> = aggregate.inputs.iter().map(ToString::to_string).collect();
    format!("{} = {}({})", aggregate.name, aggregate.function.name(), inputs.join(", "))
}

fn fill_text(fill: &Fill) -> String {
    match fill {
        Fill::Null => "null".to_owned(),
        Fill::Previous => "prev".to_owned(),
        Fill::Linear => "linear".to_owned(),
        Fill::Value(value) => value.to_string(),
    }
}
