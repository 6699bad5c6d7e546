//! What stood beside an anomaly, for its explanation: related fields that moved at the time, and
//! events shortly before.

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt32Type};
use arrow_array::{Array, RecordBatch};

use crate::analytics::{Column, Table};
use crate::error::{Error, Result};
use crate::kernels::Guard;
use crate::model::policy::short_duration;
use crate::query::analyze::Gathered;
use crate::query::{self, AnalyzeQuery, ChunkSource, Events, QueryContext, ReadQuery};

/// Values before a point by which is seen how far it moved.
const BEFORE: usize = 240;
/// Fewer say nothing.
const LEAST: usize = 10;
/// From how many sigmas on a field counts as moved: as for an anomaly of score 0.5.
const MOVED: f64 = 3.0;
/// Events of one anomaly that are told at most, the latest first.
const TOLD: usize = 3;
/// Sigmas of a normal distribution in a median absolute deviation.
const SIGMAS: f64 = 1.482_602_218_505_602;

/// Adds to the explanations of a result of `detect` what stood beside its anomalies.
///
/// # Errors
/// [`Error::InvalidArgument`] for another analysis, and what the source of events reports.
pub(super) fn explain(
    table: &mut Table,
    gathered: &Gathered,
    query: &AnalyzeQuery,
    events: Option<&dyn ChunkSource>,
    context: &QueryContext,
) -> Result<()> {
    if query.related.is_empty() && query.events.is_none() {
        return Ok(());
    }
    if query.function != "detect" {
        return Err(Error::invalid(format!(
            "related and events explain anomalies of detect; {} has none",
            query.function
        )));
    }
    let told = match (&query.events, events) {
        (Some(asked), Some(source)) => Told::read(source, asked, query, &gathered.tags, context)?,
        _ => Told::default(),
    };
    let within = query.events.as_ref().map_or(0, |events| events.within);
    let mut more: Vec<(usize, String)> = Vec::new();
    {
        let (Some(Column::Series(series)), Some(Column::Time(times)), Some(Column::Bool(odd))) =
            (table.column(""), table.column("time"), table.column("anomaly"))
        else {
            return Err(Error::Internal("a result of detect lacks its columns".to_owned()));
        };
        for (row, ((&place, &time), _)) in
            series.iter().zip(times).zip(odd).enumerate().filter(|(_, (_, odd))| **odd)
        {
            context.poll()?;
            let Some(one) = gathered.series.get(place as usize) else { continue };
            let mut text = String::new();
            // The row is the first of its time; what came before it lies before that.
            let at = one.times.partition_point(|own| *own < time);
            for (nth, name) in gathered.fields.iter().enumerate() {
                if !query.related.contains(name) {
                    continue;
                }
                let values = one.fields.get(nth).map(|values| &**values).unwrap_or_default();
                if let Some(sigmas) = moved(values, at).filter(|sigmas| sigmas.abs() >= MOVED) {
                    let way = if sigmas > 0.0 { "rose" } else { "fell" };
                    text.push_str(&format!("; {name} {way} with it by {}", size(sigmas)));
                }
            }
            for event in told.before(time, within, &one.key) {
                let ago = short_duration(time - event.time);
                let ago = if event.time == time {
                    "just then".to_owned()
                } else {
                    format!("{ago} before")
                };
                text.push_str(&format!("; {ago}: {}", event.text));
            }
            if !text.is_empty() {
                more.push((row, text));
            }
        }
    }
    for (name, column) in &mut table.columns {
        if let (true, Column::Text(texts)) = (name == "explanation", column) {
            for (row, text) in &more {
                if let Some(Some(own)) = texts.get_mut(*row) {
                    own.push_str(text);
                }
            }
        }
    }
    Ok(())
}

fn size(sigmas: f64) -> String {
    match sigmas.abs() {
        size if size > 1000.0 => "more than 1000 sigmas".to_owned(),
        size => format!("{size:.1} sigmas"),
    }
}

/// How many robust sigmas a value lies from the median of those before it.
fn moved(values: &[f64], at: usize) -> Option<f64> {
    let value = values.get(at).copied().filter(|value| value.is_finite())?;
    let before = values[..at].iter().rev().copied().filter(|value| value.is_finite());
    let mut before: Vec<f64> = before.take(BEFORE).collect();
    if before.len() < LEAST {
        return None;
    }
    let middle = median(&mut before);
    before.iter_mut().for_each(|value| *value = (*value - middle).abs());
    // A constant has no spread: a millionth of its size is one.
    let sigma = (SIGMAS * median(&mut before)).max(1e-6 * middle.abs()).max(f64::MIN_POSITIVE);
    Some((value - middle) / sigma)
}

/// The median of finite values, of which there is one at least.
fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if below.len() < middle || values.len() % 2 == 1 {
        return upper;
    }
    let lower = values[..middle].iter().copied().fold(f64::NEG_INFINITY, f64::max);
    lower / 2.0 + upper / 2.0
}

/// Events, by time.
#[derive(Debug, Default)]
struct Told(Vec<Event>);

#[derive(Debug)]
struct Event {
    time: i64,
    text: String,
    /// What it must be of, one a tag of the series; `None`: whatever it is.
    of: Vec<Option<String>>,
}

impl Told {
    fn read(
        source: &dyn ChunkSource,
        asked: &Events,
        query: &AnalyzeQuery,
        by: &[String],
        context: &QueryContext,
    ) -> Result<Self> {
        let schema = source.schema();
        let fields = asked.field.iter().cloned().collect();
        let rows = ReadQuery {
            fields: Some(fields),
            filter: asked.filter.clone(),
            range: asked.range(query.range),
            every_row: asked.field.is_none(),
            ..ReadQuery::default()
        };
        let rows = query::read(source, &rows, context)?;
        let times = rows
            .column_by_name("time")
            .and_then(|times| times.as_primitive_opt::<TimestampNanosecondType>())
            .ok_or_else(|| Error::Internal("events have no times".to_owned()))?;
        let mut events = Vec::with_capacity(rows.num_rows());
        for row in 0..rows.num_rows() {
            let tags = schema.tags.iter().map(|tag| (tag, tag_of(&rows, tag, row)));
            let tags: Vec<(&String, Option<&str>)> = tags.collect();
            let text = match &asked.field {
                Some(field) => text_of(&rows, field, row)?.map(str::to_owned),
                None => {
                    let named =
                        tags.iter().filter_map(|(tag, value)| Some(format!("{tag} {}", (*value)?)));
                    let named: Vec<String> = named.collect();
                    (!named.is_empty()).then(|| named.join(", "))
                }
            };
            let of = by.iter().map(|tag| {
                let own = tags.iter().find(|(name, _)| *name == tag);
                own.and_then(|(_, value)| value.map(str::to_owned))
            });
            let text = match text {
                Some(text) => format!("{} ({})", text, schema.name),
                None => schema.name.clone(),
            };
            events.push(Event { time: times.value(row), text, of: of.collect() });
        }
        // Stable: events of one time stay in the order of their series.
        events.sort_by_key(|event| event.time);
        Ok(Self(events))
    }

    /// The latest events that concern a series, in the time before.
    fn before<'a>(
        &'a self,
        time: i64,
        within: i64,
        key: &'a [Option<String>],
    ) -> impl Iterator<Item = &'a Event> {
        let end = self.0.partition_point(|event| event.time <= time);
        let concerns = move |event: &&Event| {
            event.of.iter().zip(key).all(|(of, own)| of.is_none() || of == own)
        };
        let since = time.saturating_sub(within);
        let late = self.0[..end].iter().rev().take_while(move |event| event.time >= since);
        late.filter(concerns).take(TOLD)
    }
}

fn tag_of<'a>(rows: &'a RecordBatch, tag: &str, row: usize) -> Option<&'a str> {
    let column = rows.column_by_name(tag)?.as_dictionary_opt::<UInt32Type>()?;
    let key = column.key(row)?;
    Some(column.values().as_string_opt::<i32>()?.value(key))
}

fn text_of<'a>(rows: &'a RecordBatch, field: &str, row: usize) -> Result<Option<&'a str>> {
    let texts = rows.column_by_name(field).and_then(|column| column.as_string_opt::<i64>());
    let texts = texts.ok_or_else(|| {
        Error::invalid(format!("events: field {field:?} is no text; name one that is, or none"))
    })?;
    Ok(texts.is_valid(row).then(|| texts.value(row)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_moved_if_it_is_far_from_the_median_before() {
        let mut values: Vec<f64> = (0..40).map(|i| f64::from(i % 5)).collect();
        values.push(20.0);
        let sigmas = moved(&values, 40).expect("enough before");
        // Median 2, deviations 0, 1, 1, 2, 2: 1.
        assert!((sigmas - 18.0 / SIGMAS).abs() < 1e-12, "{sigmas}");
        assert_eq!(moved(&values, 9), None);
        values[40] = f64::NAN;
        assert_eq!(moved(&values, 40), None);
        let constant = [5.0; 30];
        assert_eq!(moved(&constant, 20), Some(0.0));
    }

    #[test]
    fn a_median_of_an_even_count_lies_between_the_middle_two() {
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&mut [7.0]), 7.0);
        assert_eq!(median(&mut [1.0, f64::MAX, f64::MAX, 2.0]), 1.0 + f64::MAX / 2.0);
    }

    #[test]
    fn the_latest_events_of_a_series_are_told() {
        let event = |time, text: &str, host: Option<&str>| Event {
            time,
            text: text.to_owned(),
            of: vec![host.map(str::to_owned)],
        };
        let told = Told(vec![
            event(10, "early", None),
            event(50, "all", None),
            event(60, "a", Some("a")),
            event(70, "b", Some("b")),
            event(90, "late", None),
        ]);
        let key = [Some("a".to_owned())];
        let texts: Vec<&str> = told.before(80, 40, &key).map(|event| event.text.as_str()).collect();
        assert_eq!(texts, ["a", "all"]);
    }
}
