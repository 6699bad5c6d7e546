//! Downsampling policies: setting them, and what they mean for what is seen of a table.

use std::sync::Arc;

use super::maintain::drop_spent_tombstones;
use super::snapshot::table_state;
use super::{Database, Writer};
use crate::error::{Error, Result};
use crate::kernels::partial_fields;
use crate::model::policy::{floor_to, level_name};
use crate::model::{Downsample, Level, TableSchema, TimeRange, Timestamp};
use crate::storage::manifest::{Manifest, TableState, Tombstone};

/// How long a table keeps its rows, and what they become after that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The age in nanoseconds up to which rows are kept as they are; `None` for ever.
    pub retention: Option<i64>,
    /// What they become then, finest first; nothing: they are dropped.
    pub levels: Vec<Level>,
}

/// Whether what is past its age leaves a table by a pass that rolls it up, and not by its age alone.
pub(super) fn governed(manifest: &Manifest, schema: &TableSchema) -> bool {
    match schema.level_of() {
        None => !schema.downsample.levels().is_empty(),
        Some((table, step)) => manifest
            .tables
            .get(table)
            .is_some_and(|of| of.schema.downsample.levels().iter().any(|level| level.step == step)),
    }
}

/// Rows of a table before this are hidden for their age.
pub(super) fn floor(manifest: &Manifest, schema: &TableSchema, now: Timestamp) -> Option<i64> {
    let keep = schema.retention.filter(|_| !governed(manifest, schema))?;
    Some(now.saturating_sub(keep))
}

/// The tables that hold aggregates of `table`, each with its step, finest first.
pub(super) fn levels_of<'a>(manifest: &'a Manifest, table: &str) -> Vec<(i64, &'a TableState)> {
    let prefix = format!("{table}@");
    let named = manifest.tables.range(prefix.clone()..);
    let named = named.take_while(|(name, _)| name.starts_with(&prefix));
    let mut levels: Vec<(i64, &TableState)> = named
        .filter_map(|(_, state)| {
            let (of, step) = state.schema.level_of()?;
            (of == table).then_some((step, state))
        })
        .collect();
    levels.sort_by_key(|(step, _)| *step);
    levels
}

/// Refuses what may not be done to a table that holds another's aggregates.
///
/// # Errors
/// [`Error::InvalidArgument`] naming the table to turn to.
pub(super) fn not_a_level(schema: &TableSchema) -> Result<()> {
    match schema.level_of() {
        None => Ok(()),
        Some((table, _)) => Err(Error::invalid(format!(
            "table {:?} holds aggregates of {table:?} and changes with it; write to {table:?}, \
             delete there, or set its policy",
            schema.name
        ))),
    }
}

/// Refuses names that are kept for aggregates.
///
/// # Errors
/// [`Error::InvalidArgument`] with what would do.
pub(super) fn not_reserved(name: &str) -> Result<()> {
    if !name.contains('@') {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "table name {name:?} cannot be used: names with \"@\" are those of downsampled tables, such \
         as \"cpu@5m\"; choose one without"
    )))
}

/// The buckets of a level that lie whole in a range that is deleted.
pub(super) fn whole_buckets(range: TimeRange, step: i64) -> Option<TimeRange> {
    let Some(end) = range.end else { return Some(range) };
    // Those that start up to the last that ends in time.
    let past = floor_to(end, step).checked_sub(step)?.checked_add(1)?;
    (past > range.start).then_some(TimeRange { start: range.start, end: Some(past) })
}

impl Database {
    /// A table's policy.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown table.
    pub fn policy(&self, table: &str) -> Result<Policy> {
        let schema = self.schema(table)?;
        Ok(Policy { retention: schema.retention, levels: schema.downsample.levels().to_vec() })
    }

    /// Sets how long a table keeps its rows and what they become after that. What is due under the
    /// policy before is rolled up first, and what was expired stays so. Aggregates of a step that is
    /// no longer in the policy stay, are answered, and go when they are as old as it said.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown table, [`Error::InvalidArgument`] for a policy that cannot
    /// be, [`Error::Conflict`] where a table has the name that a level would have.
    pub fn set_policy(&self, table: &str, policy: &Policy) -> Result<()> {
        self.writable()?;
        let changed = |before: &TableSchema| -> Result<TableSchema> {
            not_a_level(before)?;
            let downsample = match policy.levels.as_slice() {
                [] => Downsample::None,
                levels => Downsample::Policy(levels.to_vec()),
            };
            let schema = TableSchema {
                retention: policy.retention,
                downsample,
                ..TableSchema::clone(before)
            };
            schema.check()?;
            Ok(schema)
        };
        changed(&self.schema(table)?)?;
        let _compacting = self.inner.compacting.lock();
        self.flush()?;
        self.roll_up(table, true)?;
        let _flushing = self.inner.flushing.lock();
        let mut writer = self.inner.writer.lock();
        self.writable()?;
        self.flush_locked(&mut writer)?;
        let before = Arc::clone(&self.inner.state.read().view);
        changed(&table_state(&before, table)?.schema)?;
        for level in &policy.levels {
            let name = level_name(table, level.step);
            let of = before.manifest.tables.get(&name).map(|state| state.schema.level_of());
            if of.is_some_and(|of| of != Some((table, level.step))) {
                return Err(Error::Conflict(format!(
                    "there is a table {name:?}, the name that the {:?} level of {table:?} would \
                     have; choose another step",
                    level.step
                )));
            }
        }
        let now = self.now();
        self.commit(&mut writer, |manifest, writer| {
            let order = next_order(writer);
            let Some(state) = manifest.tables.get(table) else { return Ok(()) };
            let schema = changed(&state.schema)?;
            let tables = std::iter::once(table.to_owned())
                .chain(levels_of(manifest, table).into_iter().map(|(_, s)| s.schema.name.clone()));
            let mut fences = Vec::new();
            for name in tables.collect::<Vec<_>>() {
                let Some(state) = manifest.tables.get(&name) else { continue };
                fences.push((floor(manifest, &state.schema, now), name));
            }
            manifest.set_schema(schema.clone());
            for level in &policy.levels {
                set_level(manifest, &schema, *level);
            }
            // From here on no age hides these rows.
            for (floor, name) in fences {
                let Some(floor) = floor else { continue };
                let taken =
                    manifest.tables.get(&name).is_some_and(|t| governed(manifest, &t.schema));
                if let Some(state) = manifest.tables.get_mut(&name).filter(|_| taken) {
                    expire(state, floor, order);
                }
            }
            Ok(())
        })
    }
}

/// Gives out the next place in the order of arrival.
pub(super) fn next_order(writer: &mut Writer) -> u64 {
    writer.next_order += 1;
    writer.next_order - 1
}

/// Makes the table of a level, or sets its age, its tags and its fields to those that it must have.
pub(super) fn set_level(manifest: &mut Manifest, of: &TableSchema, level: Level) {
    let wanted = of.of_level(level, partial_fields(&of.fields));
    let schema = match manifest.tables.get(&wanted.name) {
        Some(state) => {
            let (codec, cold_after) = (state.schema.codec.clone(), state.schema.cold_after);
            TableSchema { codec, cold_after, ..wanted }
        }
        None => wanted,
    };
    manifest.set_schema(schema);
}

/// Takes what arrived up to `order` and lies before `floor` out of a table.
pub(super) fn expire(state: &mut TableState, floor: Timestamp, order: u64) {
    let gone = Tombstone {
        order,
        range: TimeRange::new(None, Some(floor)),
        filter: Vec::new(),
        expired: true,
    };
    state.segments.retain(|meta| meta.order > order || meta.last_time >= floor);
    state.tombstones.retain(|old| !old.expired || old.order > order || old.range.end > Some(floor));
    state.tombstones.push(gone);
    drop_spent_tombstones(state);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_buckets_that_lie_whole_in_a_deleted_range_go() {
        let range = |start, end| TimeRange { start, end };
        let starts = |range: TimeRange| {
            let whole = whole_buckets(range, 10);
            (-40..40)
                .step_by(10)
                .filter(|b| whole.is_some_and(|w| w.contains(*b)))
                .collect::<Vec<_>>()
        };
        assert_eq!(starts(range(0, Some(20))), [0, 10]);
        assert_eq!(starts(range(-1, Some(29))), [0, 10]);
        assert_eq!(starts(range(1, Some(30))), [10, 20]);
        assert_eq!(starts(range(1, Some(19))), [0; 0]);
        assert_eq!(starts(range(i64::MIN, Some(-20))), [-40, -30]);
        assert_eq!(starts(range(20, None)), [20, 30]);
        assert_eq!(whole_buckets(range(i64::MIN, Some(i64::MIN + 3)), 10), None);
    }
}
