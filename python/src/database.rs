//! The database's verbs that change or describe it.

use std::collections::BTreeMap;
use std::time::Duration;

use kymograph::db::{self, Durability, FrameSpec, Mode, Options, Policy, WriteResult};
use kymograph::ingest::OnError;
use kymograph::model::policy::short_duration;
use kymograph::model::{Duplicates, FieldDef, FieldType, Level, TableSchema, TimeRange};
use kymograph::{Error, Result};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::frame::Input;
use crate::gil::run;

/// Which series: each tag with the values that pass, `None` for series without the tag.
pub(crate) type Filter = Vec<(String, Vec<Option<String>>)>;

/// An open database.
#[pyclass(frozen, module = "kymograph._core")]
pub(crate) struct Database {
    pub(crate) db: db::Database,
}

/// A duration in ns and as text.
type Shown = (i64, String);
/// The step and the age of a level.
type ShownLevel = (Shown, Shown);

fn shown(ns: i64) -> Shown {
    (ns, short_duration(ns))
}

fn duplicates(name: &str) -> Result<Duplicates> {
    match name {
        "keep" => Ok(Duplicates::Keep),
        "last" => Ok(Duplicates::Last),
        _ => Err(Error::invalid(format!(
            "duplicates={name:?} is not known; it is \"keep\" (all count) or \"last\" (the last \
             write wins)"
        ))),
    }
}

fn on_error(name: &str) -> Result<OnError> {
    match name {
        "raise" => Ok(OnError::Raise),
        "skip" => Ok(OnError::Skip),
        _ => Err(Error::invalid(format!(
            "on_error={name:?} is not known; it is \"raise\" or \"skip\""
        ))),
    }
}

/// How a database is opened, as Python says it: durations in ns and seconds, sizes in bytes.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Opening {
    mode: String,
    as_of: Option<u64>,
    durability: Option<String>,
    fsync_every: Option<i64>,
    head_bytes: Option<usize>,
    cache_bytes: Option<usize>,
    query_memory: Option<usize>,
    history: Option<u64>,
    threads: Option<usize>,
    max_series: Option<u64>,
    query_timeout: Option<f64>,
    repair: bool,
    network_filesystem: bool,
    store: Option<BTreeMap<String, String>>,
    cold: Option<String>,
    cold_after: Option<i64>,
    cold_store: Option<BTreeMap<String, String>>,
    cold_cache: Option<u64>,
    grace: Option<i64>,
}

impl Opening {
    fn options(self) -> Result<Options> {
        let base = Options::default();
        let mode = match self.mode.as_str() {
            "rw" => Mode::Write,
            "r" => Mode::Read,
            mode => {
                return Err(Error::invalid(format!(
                    "mode={mode:?} is not known; it is \"rw\" (the one writer) or \"r\" (a live \
                     reader)"
                )));
            }
        };
        let durability = self.durability.as_deref().map(Durability::parse).transpose()?;
        let durability = match (durability, self.fsync_every) {
            (Some(Durability::Interval(_)), Some(ns)) if ns > 0 => {
                Some(Durability::Interval(Duration::from_nanos(ns.unsigned_abs())))
            }
            (_, Some(_)) => {
                return Err(Error::invalid(
                    "fsync_every needs durability=\"interval\" and a positive duration",
                ));
            }
            (durability, None) => durability,
        };
        let query_timeout = self.query_timeout.map(|seconds| {
            Duration::try_from_secs_f64(seconds).map_err(|_| {
                Error::invalid(format!(
                    "query_timeout={seconds} cannot be used; it is a positive number of seconds"
                ))
            })
        });
        let grace = match self.grace {
            None => base.grace,
            Some(ns) if ns >= 0 => Duration::from_nanos(ns.unsigned_abs()),
            Some(ns) => {
                return Err(Error::invalid(format!(
                    "grace={ns} ns is negative; it is a duration, such as \"15m\""
                )));
            }
        };
        Ok(Options {
            mode,
            as_of: self.as_of,
            durability,
            head_bytes: self.head_bytes.unwrap_or(base.head_bytes),
            cache_bytes: self.cache_bytes.unwrap_or(base.cache_bytes),
            history: self.history.unwrap_or(base.history),
            threads: self.threads.unwrap_or(base.threads),
            max_series: self.max_series.unwrap_or(base.max_series),
            query_memory: self.query_memory,
            query_timeout: query_timeout.transpose()?,
            repair: self.repair,
            network_filesystem: self.network_filesystem,
            store: self.store.unwrap_or_default(),
            cold: self.cold,
            cold_after: self.cold_after,
            cold_store: self.cold_store.unwrap_or_default(),
            cold_cache: self.cold_cache.unwrap_or(base.cold_cache),
            grace,
            ..base
        })
    }
}

fn written<'py>(py: Python<'py>, result: &WriteResult) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("rows", result.rows)?;
    out.set_item("points", result.points)?;
    out.set_item("late", result.late)?;
    out.set_item("replaced", result.replaced)?;
    out.set_item("version", result.version)?;
    out.set_item("skipped", result.skipped_rows)?;
    let bad: Vec<(u64, &str, &str)> =
        result.skipped.iter().map(|s| (s.row, s.column.as_str(), s.why.as_str())).collect();
    out.set_item("bad_rows", bad)?;
    Ok(out)
}

fn checked<'py>(py: Python<'py>, report: &db::CheckReport) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("files", report.files)?;
    out.set_item("bytes", report.bytes)?;
    let damage = report.damage.iter().map(|damage| {
        let each = PyDict::new(py);
        each.set_item("file", &damage.file)?;
        each.set_item("what", &damage.what)?;
        each.set_item("table", &damage.table)?;
        each.set_item("series", &damage.series)?;
        each.set_item("first_time", damage.span.map(|span| span.0))?;
        each.set_item("last_time", damage.span.map(|span| span.1))?;
        Ok(each)
    });
    out.set_item("damage", damage.collect::<PyResult<Vec<_>>>()?)?;
    Ok(out)
}

#[pymethods]
impl Database {
    #[staticmethod]
    fn open(py: Python<'_>, location: Option<&str>, opening: Opening) -> PyResult<Self> {
        let db = run(py, || {
            let options = opening.options()?;
            match location {
                Some(location) => db::Database::open(location, options),
                None => db::Database::in_memory(options),
            }
        })?;
        Ok(Self { db })
    }

    /// What the open repaired: the version, the files, the losses; `None` where it was not asked
    /// to.
    fn repaired<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(report) = self.db.repaired() else { return Ok(None) };
        let out = PyDict::new(py);
        out.set_item("version", report.version)?;
        let files: Vec<(&str, Option<&str>, &str)> = report
            .quarantined
            .iter()
            .map(|q| (q.file.as_str(), q.kept.as_deref(), q.what.as_str()))
            .collect();
        out.set_item("quarantined", files)?;
        let lost = report.lost.iter().map(|loss| {
            let each = PyDict::new(py);
            each.set_item("file", &loss.file)?;
            each.set_item("table", &loss.table)?;
            each.set_item("series", &loss.series)?;
            each.set_item("first_time", loss.span.map(|span| span.0))?;
            each.set_item("last_time", loss.span.map(|span| span.1))?;
            each.set_item("rows", loss.rows)?;
            each.set_item("what", &loss.what)?;
            Ok(each)
        });
        out.set_item("lost", lost.collect::<PyResult<Vec<_>>>()?)?;
        Ok(Some(out))
    }

    #[expect(clippy::too_many_arguments, reason = "one a Python keyword")]
    fn create_table(
        &self,
        py: Python<'_>,
        name: &str,
        tags: Vec<String>,
        fields: Vec<(String, String)>,
        duplicates: &str,
        retention: Option<i64>,
        codec: Option<String>,
        cold_after: Option<i64>,
    ) -> PyResult<()> {
        run(py, || {
            let fields = fields
                .into_iter()
                .map(|(name, ty)| Ok(FieldDef { name, ty: FieldType::parse(&ty)? }))
                .collect::<Result<_>>()?;
            let duplicates = self::duplicates(duplicates)?;
            let schema = TableSchema::new(name, tags, fields, duplicates, retention)?;
            self.db.create_table(TableSchema { codec, cold_after, ..schema })
        })
    }

    fn set_retention(&self, py: Python<'_>, table: &str, retention: Option<i64>) -> PyResult<()> {
        run(py, || self.db.set_retention(table, retention))
    }

    /// The retention, then each level's step and age; each in ns and as text.
    fn policy(&self, py: Python<'_>, table: &str) -> PyResult<(Option<Shown>, Vec<ShownLevel>)> {
        let policy = run(py, || self.db.policy(table))?;
        let levels = policy.levels.iter().map(|level| (shown(level.step), shown(level.age)));
        Ok((policy.retention.map(shown), levels.collect()))
    }

    fn set_policy(
        &self,
        py: Python<'_>,
        table: &str,
        retention: Option<i64>,
        levels: Vec<(i64, i64)>,
    ) -> PyResult<()> {
        let levels = levels.into_iter().map(|(step, age)| Level { step, age }).collect();
        run(py, || self.db.set_policy(table, &Policy { retention, levels }))
    }

    fn set_codec(
        &self,
        py: Python<'_>,
        table: &str,
        codec: Option<String>,
        cold_after: Option<i64>,
    ) -> PyResult<()> {
        run(py, || self.db.set_codec(table, codec, cold_after))
    }

    #[expect(clippy::too_many_arguments, reason = "one a Python keyword")]
    fn write<'py>(
        &self,
        py: Python<'py>,
        table: &str,
        frame: Input,
        time: &str,
        tags: Option<Vec<String>>,
        event: Option<(String, String)>,
        duplicates: &str,
        on_error: &str,
    ) -> PyResult<Bound<'py, PyDict>> {
        let Input { schema, batches } = frame;
        let result = run(py, || {
            let spec = FrameSpec {
                table: table.to_owned(),
                time: time.to_owned(),
                tags,
                event,
                duplicates: self::duplicates(duplicates)?,
                on_error: self::on_error(on_error)?,
            };
            self.db.write_frame(&schema, &batches, &spec)
        })?;
        written(py, &result)
    }

    fn delete(
        &self,
        py: Python<'_>,
        table: &str,
        filter: Filter,
        start: Option<i64>,
        end: Option<i64>,
    ) -> PyResult<u64> {
        run(py, || self.db.delete(table, &filter, TimeRange::new(start, end)))
    }

    fn flush(&self, py: Python<'_>) -> PyResult<u64> {
        run(py, || self.db.flush())
    }

    fn compact(&self, py: Python<'_>) -> PyResult<u64> {
        run(py, || self.db.compact())
    }

    /// Raises when it is closed or a fork copied it into this process.
    fn ready(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || self.db.ready())
    }

    /// Closes what a forked child inherited of the parent's locks.
    fn let_go(&self) {
        self.db.let_go();
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || self.db.close())
    }

    fn snapshot(&self, py: Python<'_>) -> PyResult<Self> {
        Ok(Self { db: run(py, || self.db.snapshot())? })
    }

    /// For tests: the same state, asked without any pruning.
    fn _unpruned(&self) -> Self {
        Self { db: self.db.unpruned() }
    }

    fn tables(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        run(py, || self.db.tables())
    }

    fn versions(&self, py: Python<'_>) -> PyResult<Vec<(u64, i64)>> {
        run(py, || self.db.versions())
    }

    fn version(&self, py: Python<'_>) -> PyResult<u64> {
        run(py, || self.db.version())
    }

    fn check<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let report = run(py, || self.db.check())?;
        checked(py, &report)
    }

    fn schema<'py>(&self, py: Python<'py>, table: &str) -> PyResult<Bound<'py, PyDict>> {
        let schema = run(py, || self.db.schema(table))?;
        let fields: Vec<(&str, &str)> =
            schema.fields.iter().map(|f| (f.name.as_str(), f.ty.name())).collect();
        let duplicates = match schema.duplicates {
            Duplicates::Keep => "keep",
            Duplicates::Last => "last",
        };
        let out = PyDict::new(py);
        out.set_item("tags", schema.tags.clone())?;
        out.set_item("fields", fields)?;
        out.set_item("duplicates", duplicates)?;
        out.set_item("retention", schema.retention)?;
        out.set_item("codec", schema.codec.as_deref().unwrap_or("auto"))?;
        out.set_item("cold_after", schema.cold_after)?;
        let levels = schema.downsample.levels().iter();
        let levels: Vec<(String, i64)> =
            levels.map(|level| (short_duration(level.step), level.age)).collect();
        out.set_item("downsample", levels)?;
        Ok(out)
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = run(py, || self.db.stats())?;
        let out = PyDict::new(py);
        out.set_item("version", stats.version)?;
        out.set_item("rows", stats.rows)?;
        out.set_item("points", stats.points)?;
        out.set_item("bytes", stats.bytes)?;
        out.set_item("segments", stats.segments)?;
        out.set_item("cold_segments", stats.cold_segments)?;
        out.set_item("cold_bytes", stats.cold_bytes)?;
        out.set_item("series", stats.series)?;
        out.set_item("head_rows", stats.head_rows)?;
        out.set_item("head_bytes", stats.head_bytes)?;
        out.set_item("background_failures", stats.background_failures)?;
        out.set_item("background_error", stats.background_error)?;
        let readers = stats.readers.into_iter().map(|reader| {
            let owner = reader.owner;
            (owner.pid, owner.hostname, owner.program, owner.since, reader.version)
        });
        out.set_item("leases", readers.collect::<Vec<_>>())?;
        let mut fields = Vec::with_capacity(stats.fields.len());
        for field in stats.fields {
            let ty = field.ty.map_or("time", FieldType::name);
            let told = field.encodings.into_iter().map(|((name, detail), n)| (name, detail, n));
            let told: Vec<(&str, String, u64)> = told.collect();
            fields.push((field.table, field.field, ty, field.points, field.bytes, told));
        }
        out.set_item("fields", fields)?;
        let levels = stats.levels.into_iter().map(|level| {
            let (first, last) = level.span.unzip();
            let figures = (level.aggregates, level.bytes, level.segments);
            let step = short_duration(level.step);
            (level.table, step, level.age, level.in_policy, figures, first, last)
        });
        out.set_item("levels", levels.collect::<Vec<_>>())?;
        Ok(out)
    }

    #[getter]
    fn location(&self) -> &str {
        self.db.location()
    }

    #[getter]
    fn closed(&self) -> bool {
        self.db.is_closed()
    }

    #[getter]
    fn here(&self) -> bool {
        self.db.is_here()
    }

    #[getter]
    fn writable(&self) -> bool {
        self.db.is_writer()
    }
}

/// Checks a database without opening it.
#[pyfunction]
pub(crate) fn check<'py>(
    py: Python<'py>,
    location: &str,
    store: Option<BTreeMap<String, String>>,
    cold_store: Option<BTreeMap<String, String>>,
) -> PyResult<Bound<'py, PyDict>> {
    let options = Options {
        store: store.unwrap_or_default(),
        cold_store: cold_store.unwrap_or_default(),
        ..Options::default()
    };
    let report = run(py, || db::check(location, &options))?;
    checked(py, &report)
}
