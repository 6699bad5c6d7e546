//! Plans of texts, and errors with their places.

use std::sync::Arc;

use super::*;
use crate::model::{Duplicates, FieldDef, FieldType};
use crate::query::expr::{Expr, Interval, Operator, Type};
use crate::query::{Bucket, Fill, Function};

mod analyses;

struct Tables;

impl Catalog for Tables {
    fn table(&self, name: &str) -> Result<Arc<TableSchema>> {
        let known = ["cpu", "trades"].into_iter().find(|known| name.eq_ignore_ascii_case(known));
        let Some(known) = known else {
            return Err(Error::unknown("table", name, ["cpu", "trades"]));
        };
        let field = |name: &str, ty| FieldDef { name: name.to_owned(), ty };
        Ok(Arc::new(TableSchema {
            name: known.to_owned(),
            tags: vec!["host".to_owned(), "region".to_owned()],
            fields: vec![
                field("usage", FieldType::F64),
                field("io", FieldType::I64),
                field("Price", FieldType::F64),
            ],
            duplicates: Duplicates::Keep,
            retention: None,
            codec: None,
            cold_after: None,
            downsample: Default::default(),
        }))
    }

    fn column(&self, _query: &Native) -> Result<Vec<Literal>> {
        Ok(vec![Literal::Float(42.5)])
    }

    fn analyses(&self) -> Vec<&'static str> {
        vec!["detect", "forecast", "changepoints", "correlate"]
    }

    fn analysis(
        &self,
        query: &AnalyzeQuery,
        _schema: &TableSchema,
    ) -> Result<Option<Vec<(String, Type)>>> {
        let fields = if query.function == "correlate" { 2 } else { 1 };
        if query.fields.len() != fields {
            return Err(Error::invalid(format!("{} is of {fields} fields", query.function)));
        }
        let columns = [("time", Type::Time), ("host", Type::Str), ("score", Type::Float)];
        Ok(Some(columns.map(|(name, ty)| (name.to_owned(), ty)).into()))
    }

    fn now(&self) -> i64 {
        1_000_000_000
    }
}

fn planned(text: &str) -> Plan {
    match plan(text, &Parameters::None, &Tables) {
        Ok(Statement::Query(plan)) => plan,
        other => panic!("{text}: {other:?}"),
    }
}

fn aggregate(text: &str) -> AggregateQuery {
    match planned(text) {
        Plan::Native(native) => match native.query {
            Query::Aggregate(query) => query,
            other => panic!("{text}: {other:?}"),
        },
        Plan::Outside(other) => panic!("{text}: {other:?}"),
    }
}

fn read(text: &str) -> ReadQuery {
    match planned(text) {
        Plan::Native(native) => match native.query {
            Query::Read(query) => query,
            other => panic!("{text}: {other:?}"),
        },
        Plan::Outside(other) => panic!("{text}: {other:?}"),
    }
}

fn outside(text: &str) -> Outside {
    match planned(text) {
        Plan::Outside(outside) => outside,
        other => panic!("{text}: {other:?}"),
    }
}

fn error(text: &str) -> String {
    match plan(text, &Parameters::None, &Tables) {
        Err(error) => error.to_string(),
        Ok(found) => panic!("{text}: {found:?}"),
    }
}

const MINUTE: i64 = 60_000_000_000;

fn every(minutes: i64) -> Bucket {
    let width = Interval { months: 0, nanos: minutes * MINUTE };
    Bucket { width, origin: None, timezone: None, step: None }
}

fn names(finish: &crate::query::Finish) -> Vec<&str> {
    finish.select.iter().flatten().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_duration_groups_and_its_start_comes_first() {
    let query = aggregate("SELECT avg(usage) FROM cpu WHERE host = 'web01' GROUP BY 5m");
    assert_eq!(query.bucket, Some(every(5)));
    assert_eq!(query.filter, [("host".to_owned(), vec![Some("web01".to_owned())])]);
    assert_eq!(query.aggregates[0].function, Function::Mean);
    assert_eq!(query.aggregates[0].inputs, [Expr::column("usage")]);
    assert_eq!(names(&query.finish), ["time", "avg(usage)"]);
    assert!(query.predicate.is_none() && !query.one_row);
}

#[test]
fn every_way_to_write_a_bucket_is_the_same_plan() {
    let short = aggregate("SELECT max(io) FROM cpu GROUP BY 1h");
    for text in [
        "SELECT time_bucket('1h', time), max(io) FROM cpu GROUP BY 1",
        "SELECT time_bucket(INTERVAL '1 hour', time) AS time, max(io) FROM cpu GROUP BY time",
        "SELECT date_trunc('hour', time) AS time, max(io) FROM cpu GROUP BY ALL",
        "SELECT max(io) FROM cpu SAMPLE BY 1h",
        "select MAX(IO) as \"max(io)\" from CPU group by 1h",
    ] {
        assert_eq!(aggregate(text), short, "{text}");
    }
    let sliding = aggregate("SELECT max(io) FROM cpu GROUP BY 1h STEP 5m, host");
    assert_eq!(sliding.bucket, Some(Bucket { step: Some(5 * MINUTE), ..every(60) }));
    assert_eq!(names(&sliding.finish), ["time", "host", "max(io)"]);
    let zoned = aggregate(
        "SELECT time_bucket('1d', time, 'Europe/Berlin') AS day, count(*) FROM cpu GROUP BY day",
    );
    assert_eq!(zoned.bucket.and_then(|b| b.timezone).as_deref(), Some("Europe/Berlin"));
    let origin =
        "SELECT count(*) FROM cpu GROUP BY time_bucket('1h', time, '1970-01-01T00:15:00Z')";
    assert_eq!(aggregate(origin).bucket.and_then(|b| b.origin), Some(15 * MINUTE));
}

#[test]
fn conditions_pick_times_and_series_before_rows() {
    let query = read(
        "SELECT usage FROM cpu WHERE time >= '1970-01-01T00:01:00Z' AND '1970-01-02' > time AND \
         host IN ('a', 'b') AND region IS NULL AND usage > 3 AND 1 = 1",
    );
    assert_eq!(query.range, TimeRange::new(Some(MINUTE), Some(24 * 60 * MINUTE)));
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        query.filter,
        [("host".to_owned(), vec![some("a"), some("b")]), ("region".to_owned(), vec![None])]
    );
    let three = Expr::Literal(Literal::Int(3));
    assert_eq!(query.predicate, Some(Expr::column("usage").binary(Operator::Greater, three)));
    // `now()` is one moment, and a range that nothing is in is no error.
    let query = read(
        "SELECT usage FROM cpu WHERE time > now() - INTERVAL '1 second' AND time < '1970-01-01'",
    );
    assert!(query.range.is_empty());
}

#[test]
fn gaps_are_filled_one_way_or_one_an_aggregate() {
    let one = aggregate("SELECT avg(usage), max(io) FROM cpu SAMPLE BY 5m FILL(prev)");
    assert_eq!(one.fill, [Fill::Previous]);
    let each = aggregate("SELECT host, avg(usage), max(io) FROM cpu SAMPLE BY 5m FILL(linear, 0)");
    assert_eq!(each.fill, [Fill::Linear, Fill::Value(0.0)]);
    assert_eq!(each.by, ["host"]);
    assert!(error("SELECT avg(usage) FROM cpu GROUP BY 5m FILL(1, 2)").contains("2 ways for 1"));
    assert!(error("SELECT avg(usage) FROM cpu GROUP BY host FILL(prev)").contains("buckets"));
}

#[test]
fn aggregates_are_computed_once_and_what_is_around_them_after() {
    let query = aggregate(
        "SELECT host, max(usage) - min(usage) AS spread FROM cpu GROUP BY host \
         HAVING max(usage) > 3 AND count(*) > 1 ORDER BY spread DESC, avg(io) LIMIT 3 OFFSET 1",
    );
    let functions: Vec<Function> = query.aggregates.iter().map(|a| a.function).collect();
    assert_eq!(functions, [Function::Max, Function::Min, Function::Rows, Function::Mean]);
    assert_eq!(names(&query.finish), ["host", "spread"]);
    assert_eq!((query.finish.limit, query.finish.offset), (Some(3), 1));
    assert!(query.finish.order[0].descending);
    assert_eq!(query.finish.order[0].by, Expr::column("spread"));
    assert_eq!(query.finish.order[1].by, Expr::column("__a3"));
}

#[test]
fn a_candlestick_is_five_columns() {
    let query = aggregate("SELECT candlestick(price, io) AS c FROM trades GROUP BY 1h");
    assert_eq!(names(&query.finish), ["time", "c_open", "c_high", "c_low", "c_close", "c_volume"]);
}

#[test]
fn without_groups_there_is_one_row() {
    assert!(aggregate("SELECT count(*) FROM cpu").one_row);
    assert!(!aggregate("SELECT count(*) FROM cpu GROUP BY host").one_row);
}

#[test]
fn distinct_tags_are_groups_of_series() {
    let query = aggregate("SELECT DISTINCT region, host FROM cpu");
    assert_eq!(query.by, ["region", "host"]);
    assert_eq!(query.aggregates[0].function, Function::Rows);
}

#[test]
fn the_latest_row_of_each() {
    let text = "SELECT * FROM cpu WHERE usage > 1 LATEST ON time PARTITION BY host ORDER BY host";
    let Plan::Native(native) = planned(text) else { panic!("{text}") };
    let Query::Last(query) = native.query else { panic!("{text}") };
    assert_eq!(query.by.as_deref(), Some(&["host".to_owned()][..]));
    assert!(query.predicate.is_some() && query.finish.order.len() == 1);
}

#[test]
fn what_is_not_native_goes_to_polars_with_its_conditions_pushed() {
    let window = outside(
        "SELECT host, lag(usage * 2) OVER (PARTITION BY host ORDER BY time) AS before FROM cpu \
         WHERE host = 'a' AND usage > 1",
    );
    assert_eq!(
        window.sql,
        "SELECT host, lag(__c0) OVER (PARTITION BY host ORDER BY time) AS before FROM __part0 AS cpu"
    );
    let Query::Read(part) = &window.parts[0].1.query else { panic!("rows") };
    assert_eq!(part.filter.len(), 1);
    assert!(part.predicate.is_some());
    assert_eq!(names(&part.finish), ["time", "host", "__c0"]);

    let ends = outside("SELECT io, first(usage, time) FROM cpu GROUP BY io");
    assert!(ends.sql.contains("first(usage) FILTER (WHERE __c0)"), "{}", ends.sql);
    let Query::Read(part) = &ends.parts[0].1.query else { panic!("rows") };
    assert_eq!(part.finish.order[0].by, Expr::column("time"));

    let join = outside(
        "SELECT c.host, t.Price FROM cpu c LEFT JOIN trades t ON c.host = t.host \
         WHERE c.usage > 3 AND t.Price > 1",
    );
    assert!(join.sql.ends_with("WHERE t.Price > 1"), "{}", join.sql);
    let Query::Read(left) = &join.parts[0].1.query else { panic!("rows") };
    assert!(left.predicate.is_some());

    let cte = outside(
        "WITH h AS (SELECT host, avg(usage) AS m FROM cpu GROUP BY 1h, host) SELECT max(m) FROM h",
    );
    assert!(matches!(cte.parts[0].1.query, Query::Aggregate(_)));
    assert!(cte.sql.starts_with("WITH h AS (SELECT * FROM __part0) SELECT"), "{}", cte.sql);

    let union = outside("SELECT host FROM cpu UNION ALL SELECT host FROM trades ORDER BY host");
    assert_eq!(union.parts.len(), 2);
}

#[test]
fn texts_and_names_reach_polars_as_they_are() {
    let text = "SELECT host, $x || host, v FROM (SELECT host, max(io) AS v FROM cpu GROUP BY host) s \
                WHERE host = $x AND v > 100";
    for value in ["\\' OR v > 0 --", "''", "a''b", "\\", "\\\" FROM s --", "\u{1}0\u{1}"] {
        let one = Parameter::One(Literal::Str(value.to_owned()));
        let parameters = Parameters::Named([("x".to_owned(), one)].into());
        let Ok(Statement::Query(Plan::Outside(found))) = plan(text, &parameters, &Tables) else {
            panic!("{value}");
        };
        let quoted = format!("'{}'", value.replace('\'', "''"));
        assert!(
            found.sql.ends_with(&format!("WHERE host = {quoted} AND v > 100")),
            "{}",
            found.sql
        );
        if value.contains('"') {
            // The column's name is the text of the expression.
            assert!(found.sql.contains(r#" AS "'\"" FROM s --' || host", v"#), "{}", found.sql);
        }
    }
}

#[test]
fn a_subquery_of_one_value_is_that_value() {
    let query = read("SELECT usage FROM cpu WHERE usage > (SELECT avg(usage) FROM cpu)");
    let average = Expr::Literal(Literal::Float(42.5));
    assert_eq!(query.predicate, Some(Expr::column("usage").binary(Operator::Greater, average)));
}

#[test]
fn asof_joins_name_their_columns_by_side() {
    let found = outside(
        "SELECT a.time, a.usage, region, b.price FROM (SELECT time, host, usage FROM cpu) a \
         ASOF LEFT JOIN trades b ON b.host = a.host AND b.time < a.time WHERE b.price > 1",
    );
    let join = &found.joins[0];
    assert!(join.keep && !join.equal);
    assert_eq!(join.on, ("time".to_owned(), "time".to_owned()));
    assert_eq!(join.by, [("host".to_owned(), "host".to_owned())]);
    assert!(
        error("SELECT usage FROM cpu a ASOF JOIN trades b ON a.host = b.host").contains("time")
    );
    let text = "SELECT b.price FROM 'cpu' a ASOF JOIN trades b ON a.time >= b.time";
    assert!(error(text).contains("not text"));
}

#[test]
fn parameters_are_values_and_never_text() {
    let text = "SELECT usage FROM cpu WHERE host IN ($hosts) AND usage > $least AND region = $1x";
    let list = Parameter::List(vec![Literal::Str("a'; --".to_owned()), Literal::Str("b".into())]);
    let parameters = Parameters::Named(
        [
            ("hosts".to_owned(), list),
            ("least".to_owned(), Parameter::One(Literal::Float(-0.5))),
            ("1x".to_owned(), Parameter::One(Literal::Str("eu".to_owned()))),
        ]
        .into(),
    );
    let Ok(Statement::Query(Plan::Native(native))) = plan(text, &parameters, &Tables) else {
        panic!("{text}");
    };
    let Query::Read(query) = native.query else { panic!("rows") };
    assert_eq!(query.filter[0].1[0].as_deref(), Some("a'; --"));
    let two = Parameters::Positional(vec![Parameter::One(Literal::Int(3))]);
    let missing = plan("SELECT usage FROM cpu WHERE io > ? AND io < ?", &two, &Tables);
    let missing = missing.expect_err("one is missing").to_string();
    assert!(missing.contains("column 45") && missing.contains("params has 1"), "{missing}");
    let unused = plan("SELECT usage FROM cpu", &two, &Tables).expect_err("unused").to_string();
    assert!(unused.contains("does not name"), "{unused}");
}

#[test]
fn errors_point_at_their_place() {
    for (text, place, part) in [
        ("SELECT avg(usage FROM cpu", "column 18", "expected )"),
        ("SELECT usge FROM cpu", "column 8", "the nearest are \"usage\""),
        ("SELECT usage\nFROM cpus", "line 2, column 6", "cpus"),
        ("SELECT usage, avg(usage) FROM cpu GROUP BY host", "column 8", "last(usage)"),
        ("SELECT max(avg(usage)) FROM cpu", "column 12", "not within another"),
        ("SELECT 'abc", "column 8", "nterminated"),
        ("SELECT avg(usage) FROM cpu GROUP BY 5x", "column 37", "x"),
        ("SELECT usage FROM cpu LIMIT -1", "column 30", "whole number"),
        ("SELECT usage FROM", "column 18", "the end"),
        ("SELECT percentile(usage, 101) FROM cpu", "column 8", "0 to 100"),
    ] {
        let error = error(text);
        assert!(error.contains(place), "{text}: {error}");
        assert!(error.contains(part), "{text}: {error}");
    }
    assert!(error("DELETE FROM cpu").contains("SELECT, WITH"));
    assert!(error("").contains("empty"));
    assert!(error("SELECT 1; SELECT 2").contains("one at a time"));
}

#[test]
fn conditions_stand_alone() {
    let columns = [("usage_mean".to_owned(), Type::Float), ("usage_p99.9".to_owned(), Type::Float)];
    let of = |text: &str| condition(text, &Parameters::None, &columns, 0);
    let shown = of("usage_mean > 90 and not usage_p99.9 = 3").map(|expr| expr.to_string());
    assert_eq!(shown.unwrap_or_default(), "usage_mean > 90 AND NOT \"usage_p99.9\" = 3");
    for (text, part) in [
        ("usage_mena > 90", "the nearest are \"usage_mean\""),
        ("usage_mean >", "found the end"),
        ("usage_mean > 1 2", "expected the end, found 2"),
        ("usage_mean + 1", "true or false"),
        ("max(usage_mean) > 1", "aggregate"),
    ] {
        let error = of(text).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn hostile_texts_end() {
    let chain = format!("SELECT {}1 FROM cpu", "1 + ".repeat(100_000));
    assert!(error(&chain).contains("operators"));
    let nested = format!("SELECT {}1{} FROM cpu", "(".repeat(5_000), ")".repeat(5_000));
    assert!(error(&nested).contains("nest"));
    let long: Vec<String> = (0..900).map(|i| format!("host = 'h{i}'")).collect();
    let query = read(&format!("SELECT usage FROM cpu WHERE {}", long.join(" OR ")));
    assert!(query.predicate.is_some());
}
