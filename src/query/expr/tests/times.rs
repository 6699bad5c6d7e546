//! Functions of times and lengths, with the values of DuckDB.

use super::build::*;
use crate::query::expr::{Expr, Interval, Literal};

fn stamp(text: &str) -> Literal {
    Literal::Time(crate::model::parse_time(text).expect("a time"))
}

fn is(name: &str, arguments: Vec<Expr>, wanted: Literal) {
    let expr = call(name, arguments);
    let found = constant(&expr).unwrap_or_else(|why| panic!("{expr}: {why}"));
    assert_eq!(found, wanted, "{expr}");
}

fn error(name: &str, arguments: Vec<Expr>) -> String {
    constant(&call(name, arguments)).expect_err("an error").to_string()
}

#[test]
fn lengths_read_and_show() {
    const HOUR: i64 = 3_600_000_000_000;
    for (of, months, nanos, shown) in [
        ("5m", 0, HOUR / 12, "00:05:00"),
        ("1h30m", 0, HOUR * 3 / 2, "01:30:00"),
        ("-1h30m", 0, -HOUR * 3 / 2, "-01:30:00"),
        ("1mo", 1, 0, "1 month"),
        ("1q", 3, 0, "3 months"),
        ("1y 2d", 12, 48 * HOUR, "1 year 2 days"),
        ("1 year -2 months", 10, 0, "10 months"),
        ("1 month 2 days 03:04:05.5", 1, 51 * HOUR + 245_500_000_000, "1 month 2 days 03:04:05.5"),
        ("-90 seconds", 0, -90_000_000_000, "-00:01:30"),
        ("1.5 days", 0, 36 * HOUR, "1 day 12:00:00"),
        ("0.5 years", 6, 0, "6 months"),
        ("1 day ago", 0, -24 * HOUR, "-1 day"),
        ("2 weeks 1 ms 5 us", 0, 14 * 24 * HOUR + 1_005_000, "14 days 00:00:00.001005"),
        ("14 months", 14, 0, "1 year 2 months"),
        ("10ns", 0, 10, "00:00:00.00000001"),
        ("0s", 0, 0, "00:00:00"),
        ("25 hours", 0, 25 * HOUR, "1 day 01:00:00"),
    ] {
        let read = Interval::parse(of).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(read, Interval { months, nanos }, "{of}");
        assert_eq!(read.to_string(), shown, "{of}");
        assert_eq!(Interval::parse(shown).expect("its own text"), read, "{of}");
    }
    for (of, why) in [
        ("", "it is empty"),
        ("5", "5 has no unit"),
        ("1M", "write 'mo' for months"),
        ("5 fortnights", "\"fortnights\" is no unit of time"),
        ("m", "there is no number"),
        ("1.5 months", "cuts a month"),
        ("0.5ns", "finer than a nanosecond"),
        ("300 years 9999999999 hours", "out of range"),
        ("1:99", "a time of day is"),
        ("99999999999999999999999 s", "out of range"),
    ] {
        let found = Interval::parse(of).expect_err(of).to_string();
        assert!(found.contains(why), "{found}");
    }
}

#[test]
fn starts_of_units() {
    for (unit, of, wanted) in [
        ("week", "2021-01-01", "2020-12-28"),
        ("quarter", "2021-05-01", "2021-04-01"),
        ("decade", "2021-05-01", "2020-01-01"),
        ("day", "1969-12-31T10:00", "1969-12-31"),
        ("milliseconds", "1969-12-31T23:59:59.9995", "1969-12-31T23:59:59.999"),
        ("HOUR", "2021-05-01T10:59", "2021-05-01T10:00"),
        ("century", "2021-05-01", "2000-01-01"),
    ] {
        is("date_trunc", vec![text(unit), time(of)], stamp(wanted));
    }
    let berlin = |unit, of, wanted| {
        is("date_trunc", vec![text(unit), time(of), text("Europe/Berlin")], stamp(wanted));
    };
    berlin("day", "2021-03-28T12:00", "2021-03-27T23:00");
    berlin("month", "2021-04-30T23:00", "2021-04-30T22:00");
    // The hour that comes twice, at the change to winter, stays two.
    berlin("hour", "2021-10-31T00:30", "2021-10-31T00:00");
    berlin("hour", "2021-10-31T01:30", "2021-10-31T01:00");
    assert!(error("date_trunc", vec![text("fortnight"), time("2021-01-01")]).contains("no unit"));
    let why = error("date_trunc", vec![text("day"), time("2021-01-01"), text("Europe/Berlim")]);
    assert!(why.contains("the nearest are \"Europe/Berlin\""), "{why}");
}

#[test]
fn buckets() {
    for (width, of, wanted) in [
        ("1 week", "2021-01-01", "2020-12-28"),
        ("2 weeks", "2021-01-20T10:00", "2021-01-18"),
        ("1 day", "2021-01-05T05:00", "2021-01-05"),
        ("5m", "2021-01-05T05:04:59.999999999", "2021-01-05T05:00"),
        ("5m", "1969-12-31T23:59", "1969-12-31T23:55"),
        ("3 months", "2021-05-05T05:00", "2021-04-01"),
        ("5 months", "1999-05-05T05:00", "1999-03-01"),
    ] {
        is("time_bucket", vec![interval(width), time(of)], stamp(wanted));
    }
    let from = |width, of, origin, wanted| {
        is("time_bucket", vec![text(width), time(of), text(origin)], stamp(wanted));
    };
    from("1 day", "2021-01-20T10:00", "2000-01-15 12:00", "2021-01-19T12:00");
    from("1 month", "2021-01-20", "2000-01-15", "2021-01-01");
    from("1 month", "2021-04-30T23:00", "Europe/Berlin", "2021-04-30T22:00");
    from("1 day", "2021-03-28T23:30", "Europe/Berlin", "2021-03-28T22:00");
    from("1 day", "2021-03-28T12:30", "Europe/Berlin", "2021-03-27T23:00");
    from("1 week", "2021-10-31T12:30", "America/New_York", "2021-10-25T04:00");
    from("1 week", "2021-11-10T12:30", "America/New_York", "2021-11-08T05:00");
    let at_noon = vec![
        interval("1d"),
        time("2021-03-28T12:30"),
        time("2021-01-01T11:00"),
        text("Europe/Berlin"),
    ];
    is("time_bucket", at_noon, stamp("2021-03-28T10:00"));
    let why = error("time_bucket", vec![interval("1 month 1 day"), time("2021-01-20")]);
    assert!(why.contains("either months or days"), "{why}");
    let why = error("time_bucket", vec![interval("-1 day"), time("2021-01-20")]);
    assert!(why.contains("longer than nothing"), "{why}");
}

#[test]
fn buckets_in_a_zone_do_not_depend_on_the_rows_before() {
    // Every 31 minutes over two years, up and down: what is remembered must not show.
    let start = 1_577_836_800_000_000_000_i64;
    let mut all: Vec<Option<i64>> =
        (0..34_000).map(|i| Some(start + i * 31 * 60_000_000_000)).collect();
    let up = times(&all);
    all.reverse();
    let down = times(&all);
    for (zone, width) in
        [("Europe/Berlin", "1d"), ("America/Sao_Paulo", "1mo"), ("Asia/Beirut", "1w")]
    {
        let bucket = call("time_bucket", [interval(width), column("t"), text(zone)]);
        let forward = values(&bucket, &[("t", up.clone())]).expect("buckets");
        let mut backward = values(&bucket, &[("t", down.clone())]).expect("buckets");
        backward.reverse();
        assert_eq!(forward, backward);
        for (row, found) in forward.iter().enumerate().step_by(997) {
            let Some(at) = all[all.len() - 1 - row] else { panic!("no nulls here") };
            let alone = values(&bucket, &[("t", times(&[Some(at)]))]).expect("one");
            assert_eq!(alone[0], *found, "{zone} {width} row {row}");
        }
    }
}

#[test]
fn parts() {
    for (part, of, wanted) in [
        ("dow", "2021-01-03", 0),
        ("isodow", "2021-01-03", 7),
        ("week", "2021-01-03", 53),
        ("yearweek", "2021-01-03", 202_053),
        ("isoyear", "2021-01-03", 2020),
        ("doy", "2021-12-31", 365),
        ("second", "2021-12-31T01:02:03.456789", 3),
        ("milliseconds", "2021-12-31T01:02:03.456789", 3456),
        ("microsecond", "2021-12-31T01:02:03.456789", 3_456_789),
        ("quarter", "2020-05-02", 2),
        ("decade", "2021-01-03", 202),
        ("century", "2000-01-03", 20),
        ("hour", "1969-12-31T23:00", 23),
    ] {
        is("date_part", vec![text(part), time(of)], Literal::Int(wanted));
    }
    is("year", vec![text("2020-12-31")], Literal::Int(2020));
    is("dayofweek", vec![time("2020-12-31")], Literal::Int(4));
    let hour = vec![text("hour"), time("2021-07-01T12:00"), text("Asia/Kolkata")];
    is("date_part", hour, Literal::Int(17));
    is("epoch", vec![time("2021-12-31T01:02:03.456789")], Literal::Float(1_640_912_523.456_789));
    is("epoch_ms", vec![time("2020-01-01T00:00:00.1235")], Literal::Int(1_577_836_800_124));
    is("epoch_ms", vec![time("1969-12-31T23:59:59.9995")], Literal::Int(-1));
    is(
        "epoch_us",
        vec![time("2020-01-01T00:00:00.123456789")],
        Literal::Int(1_577_836_800_123_457),
    );
    is("epoch", vec![interval("90m")], Literal::Float(5400.0));
    for (unit, from, to, wanted) in [
        ("day", "2021-01-05T05:00", "2021-01-06T04:00", 1),
        ("month", "2021-01-31T05:00", "2021-02-01T04:00", 1),
        ("hour", "2021-01-31T05:59", "2021-01-31T06:00", 1),
        ("week", "2021-01-03", "2021-01-04", 0),
        ("week", "2021-01-09", "2021-01-02", -1),
        ("year", "2021-12-31", "2022-01-01", 1),
        ("hour", "1969-12-31T23:59:59", "1970-01-01", 1),
    ] {
        is("date_diff", vec![text(unit), time(from), time(to)], Literal::Int(wanted));
    }
}

#[test]
fn times_from_numbers_and_texts() {
    is("to_timestamp", vec![float(1.5)], stamp("1970-01-01T00:00:01.5"));
    is("to_timestamp", vec![float(-0.25)], stamp("1969-12-31T23:59:59.75"));
    is("to_timestamp", vec![int(1)], stamp("1970-01-01T00:00:01"));
    is("make_timestamp_ns", vec![int(5)], Literal::Time(5));
    let made = [2020, 2, 29, 23, 59].map(int).into_iter().chain([float(59.25)]).collect();
    is("make_timestamp", made, stamp("2020-02-29T23:59:59.25"));
    let at = || time("2020-01-02T03:04:05");
    let format = "%Y-%m-%d %H:%M:%S %j %a %A %b %B %p %I %y";
    let wanted = "2020-01-02 03:04:05 002 Thu Thursday Jan January AM 03 20";
    is("strftime", vec![at(), text(format)], Literal::Str(wanted.to_owned()));
    let local = vec![at(), text("%H:%M %Z"), text("Asia/Tokyo")];
    is("strftime", local, Literal::Str("12:04 JST".to_owned()));
    for (of, format, wanted) in [
        ("2020-01-02 03:04:05", "%Y-%m-%d %H:%M:%S", "2020-01-02T03:04:05"),
        ("2020-01-02", "%Y-%m-%d", "2020-01-02"),
        ("02/03/2021 4 PM", "%d/%m/%Y %I %p", "2021-03-02T16:00"),
        ("2020-01-02 03:04:05 +0200", "%Y-%m-%d %H:%M:%S %z", "2020-01-02T01:04:05"),
    ] {
        is("strptime", vec![text(of), text(format)], stamp(wanted));
    }
    is("try_strptime", vec![text("2020-01-02 x"), text("%Y-%m-%d")], Literal::Null);
    let why = error("strptime", vec![text("2020-01-02 x"), text("%Y-%m-%d")]);
    assert!(why.contains("does not read by the format"), "{why}");
    assert!(error("strftime", vec![at(), text("%!")]).contains("strftime by the format '%!'"));
    let day = [2021, 2, 29, 0, 0, 0].map(int);
    assert!(error("make_timestamp", day.to_vec()).contains("there is no time 2021-2-29"));
    assert!(error("to_timestamp", vec![float(f64::NAN)]).contains("outside"));
}

#[test]
fn now_is_one_time_within_an_expression() {
    let twice = call("age", [call("now", []), call("now", [])]);
    let found = constant(&twice).expect("a length");
    assert_eq!(found, Literal::Interval(Interval::default()));
}
