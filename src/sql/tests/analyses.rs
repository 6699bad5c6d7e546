//! Statements of analyses and table functions.

use super::*;
use crate::query::Setting;

fn analysis(text: &str) -> AnalyzeQuery {
    match planned(text) {
        Plan::Native(native) => match native.query {
            Query::Analyze(query) => *query,
            other => panic!("{text}: {other:?}"),
        },
        Plan::Outside(other) => panic!("{text}: {other:?}"),
    }
}

fn one(literal: Literal) -> Setting {
    Setting::One(literal)
}

fn text(text: &str) -> Setting {
    one(Literal::Str(text.to_owned()))
}

fn analysis_setting(query: &AnalyzeQuery, name: &str) -> Option<Setting> {
    query.settings.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
}

const HOUR: i64 = 60 * MINUTE;

fn hours(hours: i64) -> Setting {
    one(Literal::Interval(Interval { months: 0, nanos: hours * HOUR }))
}

#[test]
fn a_forecast_is_the_function_of_its_clauses() {
    let query = analysis(
        "FORECAST usage FROM cpu WHERE region = 'eu' AND time >= '1970-01-02' AND io > 3 \
         USING prophet(seasonality = weekly, changepoints => 25) FOR 24h EVERY 1h \
         WITH LEVELS (80, 95) BY host",
    );
    assert_eq!(
        (query.function.as_str(), query.fields.as_slice()),
        ("forecast", &["usage".into()][..])
    );
    assert_eq!(query.by, Some(vec!["host".to_owned()]));
    assert_eq!(query.filter, [("region".to_owned(), vec![Some("eu".to_owned())])]);
    assert_eq!(query.range, TimeRange::new(Some(86_400_000_000_000), None));
    assert!(query.predicate.is_some());
    assert_eq!(query.every, Some(every(60)));
    assert_eq!(analysis_setting(&query, "method"), Some(text("prophet")));
    assert_eq!(analysis_setting(&query, "seasonality"), Some(text("weekly")));
    assert_eq!(analysis_setting(&query, "changepoints"), Some(one(Literal::Int(25))));
    assert_eq!(analysis_setting(&query, "horizon"), Some(hours(24)));
    let levels = [80, 95].map(|level| one(Literal::Int(level)));
    assert_eq!(analysis_setting(&query, "levels"), Some(Setting::List(levels.into())));
    assert_eq!(names(&query.finish), ["time", "host", "score"]);
}

#[test]
fn clauses_come_in_any_order_and_in_any_case() {
    let plain =
        analysis("FORECAST usage FROM cpu USING theta FOR 48 WITH LEVEL 95 BY host, region");
    for other in [
        "forecast Usage from CPU by host, region with level 95 for 48 using theta",
        "FORECAST usage FROM cpu BY (host, region) FOR 48 WITH LEVELS (95) USING theta();",
        "SELECT * FROM forecast(cpu, usage, method => theta, horizon => 48, levels => 95, \
         by => [host, region])",
    ] {
        let mut other = analysis(other);
        let mut wanted = plain.clone();
        for query in [&mut other, &mut wanted] {
            query.settings.sort_by(|a, b| a.0.cmp(&b.0));
            query.settings.iter_mut().for_each(|(_, value)| {
                if let Setting::List(values) = value {
                    *value = values[0].clone();
                }
            });
        }
        assert_eq!(other, wanted);
    }
}

#[test]
fn anomalies_are_marked_by_a_condition_over_the_result() {
    let query = analysis(
        "DETECT ANOMALIES IN usage FROM cpu USING isolation_forest(trees = 200) BY host \
         EVERY 1m SINCE '1970-01-02' UNTIL '1970-01-03' ALERT ON score > 0.8 \
         ORDER BY score DESC LIMIT 3",
    );
    assert_eq!(query.function, "detect");
    assert_eq!(analysis_setting(&query, "trees"), Some(one(Literal::Int(200))));
    let day = 24 * HOUR;
    assert_eq!(query.range, TimeRange::new(Some(day), Some(2 * day)));
    let score = Expr::column("score");
    let least = Expr::Literal(Literal::Float(0.8));
    assert_eq!(query.alert, Some(score.binary(Operator::Greater, least)));
    assert_eq!(names(&query.finish), ["time", "host", "score", "alert"]);
    assert_eq!(query.finish.order, [crate::query::OrderBy::column("score", true)]);
    assert_eq!(query.finish.limit, Some(3));
    let now = Tables.now();
    let query = analysis("DETECT ANOMALIES IN usage FROM cpu SINCE 1h");
    assert_eq!(query.range, TimeRange::new(Some(now - HOUR), None));
    assert_eq!((query.by, query.alert), (None, None));
}

#[test]
fn a_select_from_a_table_function_runs_here_as_long_as_it_makes_no_groups() {
    let query = analysis(
        "SELECT c.time, score * 2 AS twice FROM changepoints(cpu, usage, method => 'pelt', \
         by => ['host'], start => '1970-01-02', \"end\" => TIMESTAMP '1970-01-03', \
         where => io > 2, penalty => 1.5) AS c WHERE score > 1 ORDER BY twice LIMIT 5",
    );
    assert_eq!(analysis_setting(&query, "method"), Some(text("pelt")));
    assert_eq!(analysis_setting(&query, "penalty"), Some(one(Literal::Float(1.5))));
    assert_eq!(query.range, TimeRange::new(Some(24 * HOUR), Some(48 * HOUR)));
    assert!(query.predicate.is_some() && query.finish.having.is_some());
    assert_eq!(names(&query.finish), ["time", "twice"]);

    let outside = outside("SELECT host, count(*) FROM detect(cpu, usage) GROUP BY host");
    let [(name, Native { query: Query::Analyze(part), .. })] = outside.parts.as_slice() else {
        panic!("{outside:?}");
    };
    assert_eq!(part.function, "detect");
    assert!(outside.sql.contains(&format!("FROM {name} AS detect")), "{}", outside.sql);
}

#[test]
fn statements_stand_in_subqueries_common_table_expressions_and_unions() {
    for text in [
        "SELECT host, max(score) FROM (DETECT ANOMALIES IN usage FROM cpu BY host) GROUP BY host",
        "WITH a AS (DETECT ANOMALIES IN usage FROM cpu ALERT ON score > 0.8), b AS (SELECT 1) \
         SELECT * FROM a WHERE alert",
        "SELECT * FROM (FORECAST usage FROM cpu FOR 3) f JOIN cpu ON f.time = cpu.time",
        "FORECAST usage FROM cpu FOR 3 UNION ALL FORECAST io FROM cpu FOR 3",
    ] {
        let outside = outside(text);
        let analyses = outside.parts.iter().filter(|(_, p)| matches!(p.query, Query::Analyze(_)));
        assert_eq!(analyses.count(), 1 + usize::from(text.contains("UNION")), "{text}");
    }
}

#[test]
fn words_of_statements_are_names_where_no_query_begins() {
    let query = read("SELECT usage AS forecast, io AS detect FROM cpu WHERE (usage > 3)");
    assert_eq!(names(&query.finish), ["forecast", "detect"]);
    let error = error("SELECT (forecast + 1) FROM cpu");
    assert!(error.contains("unknown column \"forecast\""), "{error}");
}

#[test]
fn parameters_stand_where_values_do() {
    let named = |name: &str, literal| (name.to_owned(), Parameter::One(literal));
    let levels = vec![Literal::Int(80), Literal::Int(95)];
    let parameters = Parameters::Named(
        [
            named("room", Literal::Str("a' OR 1".to_owned())),
            named("far", Literal::Interval(Interval { months: 0, nanos: 24 * HOUR })),
            ("levels".to_owned(), Parameter::List(levels)),
        ]
        .into(),
    );
    let text = "FORECAST usage FROM cpu WHERE host = $room FOR $far WITH LEVELS $levels";
    let Ok(Statement::Query(Plan::Native(native))) = plan(text, &parameters, &Tables) else {
        panic!("no plan");
    };
    let Query::Analyze(query) = native.query else { panic!("no analysis") };
    assert_eq!(query.filter[0].1, [Some("a' OR 1".to_owned())]);
    assert_eq!(analysis_setting(&query, "horizon"), Some(hours(24)));
    assert!(matches!(analysis_setting(&query, "levels"), Some(Setting::List(l)) if l.len() == 2));
}

#[test]
fn errors_point_at_what_is_wrong_and_say_what_would_work() {
    for (text, column, says) in [
        ("FORECAST usage FROM cpu", 24, "FOR 24h"),
        ("FORECAST usage FROM cpu FOR", 28, "FOR 24h"),
        ("FORECAST FROM cpu FOR 3", 10, "expected a field"),
        ("FORECAST usage, io FROM cpu FOR 3", 15, "one field"),
        ("FORECAST usage IN cpu FOR 3", 16, "expected FROM"),
        ("FORECAST usage FROM cpu FOR 3 USNG theta", 31, "\"USING\""),
        ("FORECAST usage FROM cpu FOR 3 FOR 4", 31, "twice"),
        ("FORECAST usage FROM cpu WHERE io > FOR 3", 36, "not complete"),
        ("FORECAST usage FROM cpu WHERE io > 3 USNG theta FOR 3", 38, "\"USING\""),
        ("FORECAST usage FROM cpu WHERE io > > 3 FOR 3", 36, "expected"),
        ("FORECAST usage FROM cpu FOR 3 WITH 95", 36, "LEVEL"),
        ("FORECAST usge FROM cpu FOR 3", 10, "\"usage\""),
        ("FORECAST usage FROM cpus FOR 3", 21, "\"cpu\""),
        ("FORECAST usage FROM cpu FOR 3 BY hosst", 34, "\"host\""),
        ("DETECT usage FROM cpu", 8, "ANOMALIES"),
        ("DETECT ANOMALIES usage FROM cpu", 18, "expected IN"),
        ("DETECT ANOMALIES IN usage FROM cpu ALERT score > 1", 42, "ON"),
        ("DETECT ANOMALIES IN usage FROM cpu ALERT ON scor > 1", 45, "\"score\""),
        ("DETECT ANOMALIES IN usage FROM cpu ALERT ON score", 45, "condition"),
        ("DETECT ANOMALIES IN usage FROM cpu FOR 24h", 36, "no clause"),
        ("DETECT ANOMALIES IN usage FROM cpu USING mad(5)", 42, "names"),
        ("SELECT * FROM changepoint(cpu, usage)", 15, "\"changepoints\""),
        ("SELECT * FROM correlate(cpu, usage)", 15, "2 fields"),
        ("SELECT * FROM detect()", 15, "table"),
        ("SELECT * FROM detect(cpu, usage, by => hosst)", 40, "\"host\""),
        ("SELECT nope FROM detect(cpu, usage)", 8, "\"score\""),
        ("SELECT * FROM detect(cpu, usage, start => 'soon')", 43, "soon"),
        ("SELECT * FROM detect(cpu, usage, window => io + 1)", 44, "constant"),
    ] {
        let error = error(text);
        let place = format!("line 1, column {column}:");
        assert!(error.contains(&place) && error.contains(says), "{text}\n{error}");
    }
}
