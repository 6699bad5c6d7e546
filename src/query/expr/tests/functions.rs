//! Functions of numbers and texts, with the values of DuckDB.

use super::build::*;
use crate::query::expr::{Expr, Literal, Scalar};

fn is(name: &str, arguments: Vec<Expr>, wanted: Literal) {
    let expr = call(name, arguments);
    let found = constant(&expr).unwrap_or_else(|why| panic!("{expr}: {why}"));
    let close = matches!((&found, &wanted), (Literal::Float(a), Literal::Float(b))
        if (a - b).abs() <= 1e-14 * b.abs());
    assert!(close || format!("{found:?}") == format!("{wanted:?}"), "{expr}: {found:?}");
}

fn texts_are(name: &str, arguments: Vec<Expr>, wanted: &str) {
    is(name, arguments, Literal::Str(wanted.to_owned()));
}

#[test]
fn every_name_is_found_and_the_table_is_in_order() {
    for name in Scalar::names() {
        let scalar = Scalar::parse(&name.to_uppercase()).expect("a name of the table");
        assert_eq!(Scalar::parse(scalar.name()).expect("its own name"), scalar, "{name}");
    }
    assert_eq!(Scalar::parse("ceiling").expect("an alias").name(), "ceil");
    let why = Scalar::parse("rond").expect_err("no function").to_string();
    assert!(why.starts_with("there is no function rond(); the nearest are \"round\""), "{why}");
}

#[test]
fn numbers() {
    use Literal::{Bool, Float, Int, Null};
    let nan = f64::NAN;
    is("round", vec![float(2.5)], Float(3.0));
    is("round", vec![float(-2.5)], Float(-3.0));
    is("round", vec![float(2.675), int(2)], Float(2.68));
    is("round", vec![float(1234.567), int(-2)], Float(1200.0));
    is("round", vec![float(1.5), int(400)], Float(1.5));
    is("round", vec![float(123.456), int(-400)], Float(0.0));
    is("round", vec![int(25), int(-1)], Int(30));
    is("round", vec![int(-15), int(-1)], Int(-20));
    is("round", vec![int(12_345_678_901_234_567), int(-3)], Int(12_345_678_901_235_000));
    is("round", vec![int(5), int(-25)], Int(0));
    is("round", vec![int(5), int(2)], Int(5));
    is("trunc", vec![float(2.567), int(2)], Float(2.56));
    is("trunc", vec![float(-2.5)], Float(-2.0));
    is("floor", vec![int(3)], Float(3.0));
    is("ceil", vec![float(-0.5)], Float(-0.0));
    is("sign", vec![float(-0.0)], Int(0));
    is("sign", vec![float(nan)], Int(0));
    is("abs", vec![int(-3)], Int(3));
    is("sqrt", vec![int(-1)], Float(nan));
    is("sqrt", vec![text("4")], Float(2.0));
    is("ln", vec![int(0)], Float(f64::NEG_INFINITY));
    is("log", vec![int(1000)], Float(3.0));
    is("log", vec![int(2), int(8)], Float(3.0));
    is("log10", vec![int(1000)], Float(3.0));
    is("log2", vec![int(8)], Float(3.0));
    is("pow", vec![int(2), int(3)], Float(8.0));
    is("pow", vec![int(0), int(-1)], Float(f64::INFINITY));
    is("mod", vec![int(-5), int(3)], Int(-2));
    is("cbrt", vec![int(-8)], Float(-2.0));
    is("atan2", vec![int(1), int(0)], Float(std::f64::consts::FRAC_PI_2));
    is("sinh", vec![int(1)], Float(1.175_201_193_643_801_4));
    is("degrees", vec![call("pi", [])], Float(180.0));
    is("exp", vec![int(1000)], Float(f64::INFINITY));
    is("asin", vec![int(2)], Float(nan));
    is("isnan", vec![float(nan)], Bool(true));
    is("isfinite", vec![float(nan)], Bool(false));
    is("isinf", vec![int(1)], Bool(false));
    is("abs", vec![null()], Null);
    let error = |name: &str, arguments: Vec<Expr>| {
        constant(&call(name, arguments)).expect_err("an error").to_string()
    };
    assert!(error("abs", vec![int(i64::MIN)]).contains("integer overflow in abs"));
    assert!(error("round", vec![int(i64::MAX), int(-1)]).contains("integer overflow in round"));
    assert!(error("abs", vec![text("a")]).contains("takes a number"));
}

#[test]
fn values_of_any_type() {
    use Literal::{Float, Int, Null};
    is("greatest", vec![int(1), null(), int(3)], Int(3));
    is("greatest", vec![null(), null()], Null);
    is("least", vec![int(1), float(2.5), null()], Float(1.0));
    is("greatest", vec![float(1.0), float(f64::NAN)], Float(f64::NAN));
    texts_are("greatest", vec![text("a"), text("b")], "b");
    is("coalesce", vec![null(), int(1), float(2.5)], Float(1.0));
    texts_are("ifnull", vec![null(), text("a")], "a");
    is("nullif", vec![int(1), float(1.0)], Null);
    texts_are("nullif", vec![text("a"), text("b")], "a");
    is("if", vec![null(), int(1), int(2)], Int(2));
}

#[test]
fn pieces_of_texts() {
    let hello = || text("hello");
    for (start, length, wanted) in [
        (0, None, "hello"),
        (0, Some(2), "h"),
        (-3, None, "llo"),
        (-3, Some(2), "ll"),
        (-10, Some(7), "he"),
        (2, Some(-1), "h"),
        (4, Some(-2), "el"),
        (-2, Some(-2), "el"),
        (10, None, ""),
        (0, Some(-2), ""),
        (1, Some(0), ""),
        (i64::MIN, Some(i64::MAX), "hell"),
        (2, Some(i64::MAX), "ello"),
    ] {
        let arguments = [Some(hello()), Some(int(start)), length.map(int)];
        texts_are("substr", arguments.into_iter().flatten().collect(), wanted);
    }
    for (name, count, wanted) in [
        ("left", 2, "he"),
        ("left", -2, "hel"),
        ("left", -9, ""),
        ("right", 2, "lo"),
        ("right", -2, "llo"),
        ("right", 0, ""),
        ("right", -9, ""),
        ("repeat", 2, "hellohello"),
        ("repeat", -1, ""),
    ] {
        texts_are(name, vec![hello(), int(count)], wanted);
    }
    for (of, separator, place, wanted) in [
        ("a-b-c", "-", 1, "a"),
        ("a-b-c", "-", -1, "c"),
        ("a-b-c", "-", 0, ""),
        ("a-b-c", "-", 4, ""),
        ("a-b-c", "-", -4, ""),
        ("a--b--c", "--", 2, "b"),
        ("abc", "", 2, "b"),
        ("", "-", 1, ""),
    ] {
        texts_are("split_part", vec![text(of), text(separator), int(place)], wanted);
    }
    for (name, length, fill, wanted) in [
        ("lpad", 3, "x", "hel"),
        ("lpad", 8, "xy", "xyxhello"),
        ("lpad", -1, "x", ""),
        ("rpad", 8, "xy", "helloxyx"),
        ("rpad", 3, "xy", "hel"),
        ("lpad", 7, "é", "ééhello"),
    ] {
        texts_are(name, vec![hello(), int(length), text(fill)], wanted);
    }
    texts_are("replace", vec![text("aaa"), text(""), text("b")], "aaa");
    texts_are("replace", vec![text("aaa"), text("a"), text("b")], "bbb");
    texts_are("trim", vec![text("  a b ")], "a b");
    texts_are("ltrim", vec![text("xyxa"), text("xy")], "a");
    texts_are("reverse", vec![text("héllo")], "olléh");
    texts_are("concat", vec![int(1), text("a"), null(), float(2.5), truth(true)], "1a2.5true");
    texts_are("concat_ws", vec![text(","), text("a"), null(), text("b")], "a,b");
    texts_are("concat_ws", vec![text(","), null(), null()], "");
    is("concat_ws", vec![null(), text("a"), text("b")], Literal::Null);
    is("length", vec![text("héllo")], Literal::Int(5));
    is("strlen", vec![text("héllo")], Literal::Int(6));
    is("strpos", vec![text("héllo"), text("l")], Literal::Int(3));
    is("strpos", vec![hello(), text("")], Literal::Int(1));
    is("strpos", vec![hello(), text("z")], Literal::Int(0));
    is("starts_with", vec![hello(), text("he")], Literal::Bool(true));
    is("ends_with", vec![hello(), text("he")], Literal::Bool(false));
    is("contains", vec![hello(), text("")], Literal::Bool(true));
    let why = constant(&call("repeat", [hello(), int(i64::MAX)])).expect_err("too long");
    assert!(why.to_string().contains("256 MiB"), "{why}");
    let why = constant(&call("lpad", [hello(), int(9), text("")])).expect_err("nothing");
    assert!(why.to_string().contains("nothing to fill with"), "{why}");
}

#[test]
fn regular_expressions() {
    for (of, pattern, by, flags, wanted) in [
        ("hello", "l", "x", "c", "hexlo"),
        ("hello", "l", "x", "g", "hexxo"),
        ("hello", "(l)(l)", "\\2-\\1\\0", "c", "hel-lllo"),
        ("hello", "(l)(l)", "$1", "c", "he$1o"),
        ("aBcb", "b", "x", "gi", "axcx"),
        ("a.b", ".", "x", "gl", "axb"),
    ] {
        texts_are("regexp_replace", vec![text(of), text(pattern), text(by), text(flags)], wanted);
    }
    for (of, pattern, group, wanted) in [
        ("hello", "(l+)(o)", 2, "o"),
        ("hello", "z", 0, ""),
        ("hello", "l(z)?", 1, ""),
        ("hello", "l", 1, ""),
        ("a1b2", "([a-z])([0-9])", 0, "a1"),
    ] {
        texts_are("regexp_extract", vec![text(of), text(pattern), int(group)], wanted);
    }
    is("regexp_matches", vec![text("hello"), text("L"), text("i")], Literal::Bool(true));
    is("regexp_matches", vec![text("a\nb"), text("a.b")], Literal::Bool(false));
    is("regexp_matches", vec![text("a\nb"), text("a.b"), text("s")], Literal::Bool(true));
    let patterns = [("p", texts(&[Some("a"), Some("^b"), None])), ("of", texts(&[Some("ba"); 3]))];
    let by_row = call("regexp_matches", [column("of"), column("p")]);
    let found = values(&by_row, &patterns).expect("patterns by row");
    assert_eq!(found, [Literal::Bool(true), Literal::Bool(true), Literal::Null]);
    let why = constant(&call("regexp_replace", [text("a"), text("a"), text("b"), text("q")]));
    assert!(why.expect_err("a flag").to_string().contains("takes any of 'c'"));
}
