//! Texts of queries: an error or a plan, in bounded time and stack, whatever the bytes.

#![no_main]

use std::sync::Arc;

use kymograph::model::{Duplicates, FieldDef, FieldType, TableSchema};
use kymograph::query::expr::Literal;
use kymograph::sql::{self, Catalog, Native, Parameters};
use kymograph::{Error, Result};
use libfuzzer_sys::fuzz_target;

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
        }))
    }

    fn column(&self, _query: &Native) -> Result<Vec<Literal>> {
        Ok(vec![Literal::Int(1), Literal::Null])
    }

    fn now(&self) -> i64 {
        1_700_000_000_000_000_000
    }
}

fuzz_target!(|text: &str| {
    let _ = sql::plan(text, &Parameters::None, &Tables);
});
