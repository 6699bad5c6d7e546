//! Texts of queries: an error or a plan, in bounded time and stack, whatever the bytes. What has a
//! plan is run on a small database: an answer, or an error that is the query's own.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use arrow_array::{BooleanArray, Float64Array, Int64Array, StringViewArray};

use kymograph::analytics;
use kymograph::db::{Database, Options, TableSpec};
use kymograph::model::{
    Batch, Downsample, Duplicates, FieldArray, FieldDef, FieldType, SeriesKey, TableSchema,
};
use kymograph::query::expr::{Literal, Type};
use kymograph::query::{AnalyzeQuery, Budget, QueryContext};
use kymograph::sql::{self, Catalog, Native, Parameters};
use kymograph::{Error, Result};

struct Tables;

impl Catalog for Tables {
    fn table(&self, name: &str) -> Result<Arc<TableSchema>> {
        if !matches!(name.to_lowercase().as_str(), "cpu" | "t") {
            return Err(Error::NotFound(format!("unknown table {name:?}")));
        }
        let field = |name: &str, ty| FieldDef { name: name.to_owned(), ty };
        Ok(Arc::new(TableSchema {
            name: name.to_lowercase(),
            tags: vec!["host".to_owned(), "region".to_owned()],
            fields: vec![
                field("usage", FieldType::F64),
                field("io", FieldType::I64),
                field("up", FieldType::Bool),
                field("note", FieldType::Str),
            ],
            duplicates: Duplicates::Keep,
            retention: None,
            codec: None,
            cold_after: None,
            downsample: Downsample::None,
        }))
    }

    fn column(&self, _query: &Native) -> Result<Vec<Literal>> {
        Ok(vec![Literal::Int(1), Literal::Null])
    }

    fn analyses(&self) -> Vec<&'static str> {
        analytics::functions().map(|function| function.name).collect()
    }

    fn analysis(
        &self,
        _query: &AnalyzeQuery,
        schema: &TableSchema,
    ) -> Result<Option<Vec<(String, Type)>>> {
        let mut columns = vec![("time".to_owned(), Type::Time)];
        columns.extend(schema.tags.iter().map(|tag| (tag.clone(), Type::Str)));
        columns.push(("score".to_owned(), Type::Float));
        Ok(Some(columns))
    }

    fn now(&self) -> i64 {
        1_700_000_000_000_000_000
    }
}

/// Two tables of the same columns, one where all rows count and one where the last does: a segment
/// and rows in memory, with nulls, NaN and extremes.
static DATABASE: LazyLock<Database> = LazyLock::new(|| {
    let db = Database::in_memory(Options { background: false, threads: 1, ..Options::default() })
        .expect("a database in memory");
    for (table, duplicates) in [("cpu", Duplicates::Keep), ("t", Duplicates::Last)] {
        let tags = vec!["host".to_owned(), "region".to_owned()];
        let spec = TableSpec { name: table.to_owned(), tags, duplicates };
        db.write(&[batch(table, 0)], &spec).expect("a write");
        db.flush().expect("a flush");
        db.write(&[batch(table, 7)], &spec).expect("a write");
    }
    db
});

fn batch(table: &str, from: i64) -> Batch {
    let keys = [[Some("a"), None], [None, Some("eu")], [Some("b"), Some("us")]];
    let rows = 150;
    let hole = |row: i64| row % 5 == 1;
    let doubles = [f64::NAN, -0.0, f64::INFINITY, 0.1, 5e-324, f64::MAX];
    let double = |row: i64| (!hole(row)).then(|| doubles[row as usize % 6] * (row % 7) as f64);
    let longs = [i64::MIN, i64::MAX, 0, -1, 42];
    let fields = vec![
        ("usage", FieldArray::F64((0..rows).map(double).collect::<Float64Array>())),
        (
            "io",
            FieldArray::I64(Int64Array::from_iter_values(
                (0..rows).map(|row| longs[row as usize % 5] / (1 + row / 50)),
            )),
        ),
        (
            "up",
            FieldArray::Bool(
                (0..rows).map(|row| (!hole(row)).then_some(row % 2 == 0)).collect::<BooleanArray>(),
            ),
        ),
        (
            "note",
            FieldArray::Str(
                (0..rows)
                    .map(|row| (!hole(row)).then(|| format!("n{}", row % 3)))
                    .collect::<StringViewArray>(),
            ),
        ),
    ];
    let fields = fields.into_iter().map(|(name, array)| (name.to_owned(), array)).collect();
    Batch::new(
        table,
        keys.map(SeriesKey::new).to_vec(),
        (0..rows as u32).map(|row| row % 3).collect(),
        (0..rows).map(|row| 1_700_000_000_000_000_000 + (row / 2 + from) * 1_000_000_000).collect(),
        fields,
    )
    .expect("a whole batch")
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if internal(sql::plan(text, &Parameters::None, &Tables)).is_none() {
        return;
    }
    let context = QueryContext {
        deadline: Some(Instant::now() + Duration::from_millis(500)),
        memory: Budget::new(32 << 20),
        ..QueryContext::default()
    };
    internal(DATABASE.sql(text, &Parameters::None, &context));
}

/// The value, or `None` for an error that is no broken invariant.
fn internal<T>(result: Result<T>) -> Option<T> {
    match result {
        Err(Error::Internal(why)) => panic!("{why}"),
        other => other.ok(),
    }
}
