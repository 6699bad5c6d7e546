//! The database's verbs that change or describe it.

use std::collections::BTreeMap;
use std::time::Duration;

use kymograph::db::{self, Durability, FrameSpec, Mode, Options, WriteResult};
use kymograph::ingest::OnError;
use kymograph::model::{Duplicates, FieldDef, FieldType, TableSchema, TimeRange};
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

#[expect(clippy::too_many_arguments, reason = "one a Python keyword")]
fn options(
    mode: &str,
    as_of: Option<u64>,
    durability: Option<&str>,
    fsync_every: Option<i64>,
    head_bytes: Option<usize>,
    cache_bytes: Option<usize>,
    history: Option<u64>,
    threads: Option<usize>,
    store: Option<BTreeMap<String, String>>,
) -> Result<Options> {
    let base = Options::default();
    let mode = match mode {
        "rw" => Mode::Write,
        "r" => Mode::Read,
        _ => {
            return Err(Error::invalid(format!(
                "mode={mode:?} is not known; it is \"rw\" (the one writer) or \"r\" (a live reader)"
            )));
        }
    };
    let durability = match (durability.map(Durability::parse).transpose()?, fsync_every) {
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
    Ok(Options {
        mode,
        as_of,
        durability,
        head_bytes: head_bytes.unwrap_or(base.head_bytes),
        cache_bytes: cache_bytes.unwrap_or(base.cache_bytes),
        history: history.unwrap_or(base.history),
        threads: threads.unwrap_or(base.threads),
        store: store.unwrap_or_default(),
        ..base
    })
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
    let damage: Vec<(&str, &str)> =
        report.damage.iter().map(|d| (d.file.as_str(), d.what.as_str())).collect();
    out.set_item("damage", damage)?;
    Ok(out)
}

#[pymethods]
impl Database {
    #[staticmethod]
    #[pyo3(signature = (location, *, mode, as_of, durability, fsync_every, head_bytes, cache_bytes,
        history, threads, store))]
    #[expect(clippy::too_many_arguments, reason = "one a Python keyword")]
    fn open(
        py: Python<'_>,
        location: Option<&str>,
        mode: &str,
        as_of: Option<u64>,
        durability: Option<&str>,
        fsync_every: Option<i64>,
        head_bytes: Option<usize>,
        cache_bytes: Option<usize>,
        history: Option<u64>,
        threads: Option<usize>,
        store: Option<BTreeMap<String, String>>,
    ) -> PyResult<Self> {
        let db = run(py, || {
            let options = options(
                mode,
                as_of,
                durability,
                fsync_every,
                head_bytes,
                cache_bytes,
                history,
                threads,
                store,
            )?;
            match location {
                Some(location) => db::Database::open(location, options),
                None => db::Database::in_memory(options),
            }
        })?;
        Ok(Self { db })
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

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || self.db.close())
    }

    fn snapshot(&self, py: Python<'_>) -> PyResult<Self> {
        Ok(Self { db: run(py, || self.db.snapshot())? })
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
        out.set_item("series", stats.series)?;
        out.set_item("head_rows", stats.head_rows)?;
        out.set_item("head_bytes", stats.head_bytes)?;
        let mut fields = Vec::with_capacity(stats.fields.len());
        for field in stats.fields {
            let ty = field.ty.map_or("time", FieldType::name);
            let told = field.encodings.into_iter().map(|((name, detail), n)| (name, detail, n));
            let told: Vec<(&str, String, u64)> = told.collect();
            fields.push((field.table, field.field, ty, field.points, field.bytes, told));
        }
        out.set_item("fields", fields)?;
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
) -> PyResult<Bound<'py, PyDict>> {
    let options = Options { store: store.unwrap_or_default(), ..Options::default() };
    let report = run(py, || db::check(location, &options))?;
    checked(py, &report)
}
