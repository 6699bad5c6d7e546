use std::collections::HashMap;

use arrow_array::StringViewArray;
use proptest::prelude::*;

use super::super::intern::{Interner, Tuples, UNSET, combine, renumber};

/// The naive twin: dense codes by first sight.
fn twin<T: std::hash::Hash + Eq + Clone>(rows: &[T]) -> (Vec<u32>, Vec<T>) {
    let (mut seen, mut values) = (HashMap::new(), Vec::new());
    let codes = rows
        .iter()
        .map(|row| {
            *seen.entry(row.clone()).or_insert_with(|| {
                values.push(row.clone());
                values.len() as u32 - 1
            })
        })
        .collect();
    (codes, values)
}

/// Strings about the length at which views stop holding them, that share their beginnings.
fn text() -> impl Strategy<Value = Option<String>> {
    let text = (prop_oneof![Just("host_"), Just("a prefix of 12"), Just("")], 0..12u32)
        .prop_map(|(a, b)| format!("{a}{}", "x".repeat(b as usize)));
    proptest::option::weighted(0.9, text)
}

fn pairs(n: u32) -> impl Strategy<Value = Vec<(u32, u32, u32)>> {
    proptest::collection::vec((0..n, 0..n, 0..3u32), 1..400)
}

fn check_tuples(rows: &[(u32, u32, u32)]) {
    let single = |column: Vec<u32>| {
        let (codes, values) = twin(&column);
        (Tuples::single(codes, values.len()), values)
    };
    let columns = [
        rows.iter().map(|r| r.0).collect(),
        rows.iter().map(|r| r.1).collect(),
        vec![7; rows.len()],
        rows.iter().map(|r| r.2).collect::<Vec<u32>>(),
    ]
    .map(single);
    let (singles, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let all = combine(singles, usize::MAX).unwrap();
    let (codes, distinct) = twin(rows);
    assert_eq!(all.distinct, distinct.len());
    assert_eq!((all.width, all.tuples.len()), (4, 4 * distinct.len()));
    if distinct.len() > 1 {
        assert_eq!(all.codes, codes);
    }
    for (code, row) in distinct.iter().enumerate() {
        let tuple: Vec<u32> =
            all.tuple(code).iter().zip(&values).map(|(c, v)| v[*c as usize]).collect();
        assert_eq!(tuple, [row.0, row.1, 7, row.2]);
    }
}

proptest! {
    #[test]
    fn strings_intern_as_the_twin_says(rows in proptest::collection::vec(text(), 0..200)) {
        let (codes, values) = twin(&rows);
        let values: Vec<Option<&str>> = values.iter().map(|v| v.as_deref()).collect();
        let (mut plain, mut got) = (Interner::default(), Vec::new());
        plain.strings(rows.iter().map(|r| r.as_deref()), &mut got);
        prop_assert_eq!(&got, &codes);
        prop_assert_eq!(plain.into_values(), values.clone());

        let array = StringViewArray::from_iter(rows.iter());
        let (mut views, mut got) = (Interner::default(), Vec::new());
        views.views(&array, &mut got);
        // A second chunk, of another array and another shape, keeps the codes.
        views.strings(rows.iter().map(|r| r.as_deref()), &mut got);
        prop_assert_eq!(&got[..rows.len()], &codes[..]);
        prop_assert_eq!(&got[rows.len()..], &codes[..]);
        prop_assert_eq!(views.into_values(), values);
    }

    #[test]
    fn pairs_of_few_values_combine(rows in pairs(5)) {
        check_tuples(&rows);
    }

    #[test]
    fn pairs_of_many_values_combine(rows in pairs(1000)) {
        check_tuples(&rows);
    }

    #[test]
    fn renumbering_keeps_what_codes_stand_for(codes in proptest::collection::vec(0..50u32, 0..99)) {
        let mut scratch = vec![UNSET; 50];
        let (new, old) = renumber(codes.iter().copied(), &mut scratch);
        let (expected, values) = twin(&codes);
        prop_assert_eq!((new, old), (expected, values));
        prop_assert!(scratch.iter().all(|s| *s == UNSET));
    }
}

#[test]
fn many_rows_pass_from_the_table_to_hashing() {
    // 3,000 by 3,000 codes are past the greatest table; the second column follows from the first
    // in half of the rows.
    let rows: Vec<_> = (0..20_000u32)
        .map(|i| {
            let a = i * 7 % 3000;
            (a, if i % 2 == 0 { a } else { i * 13 % 2999 }, 0)
        })
        .collect();
    check_tuples(&rows);
    let pairs: std::collections::HashSet<_> = rows.iter().collect();
    assert!(pairs.len() > 3000, "the first column does not settle the second");
}

#[test]
fn no_column_has_no_tuple() {
    assert_eq!(combine(Vec::new(), usize::MAX), None);
}

#[test]
fn long_views_of_other_buffers_are_the_same_string() {
    let text = "a string past twelve bytes";
    let rows: StringViewArray = [Some(text), Some("short"), Some(text), None].into_iter().collect();
    let (mut interner, mut codes) = (Interner::default(), Vec::new());
    interner.views(&rows, &mut codes);
    let other: StringViewArray =
        [Some("filler of the other buffer"), Some(text)].into_iter().collect();
    interner.views(&other, &mut codes);
    assert_eq!(codes, [0, 1, 0, 2, 3, 0]);
}

#[test]
fn bytes_behind_the_end_of_a_short_view_do_not_matter() {
    let clean: StringViewArray = [Some("ab"), Some("")].into_iter().collect();
    let dirt = 0xff_u128 << 120;
    let views: Vec<u128> = clean.views().iter().flat_map(|v| [*v, *v | dirt]).collect();
    // SAFETY: wrong on purpose, as a foreign producer could be: the bytes past the strings' ends
    // are not zero, and nothing reads them.
    let dirty =
        unsafe { StringViewArray::new_unchecked(views.into(), std::sync::Arc::from([]), None) };
    let (mut interner, mut codes) = (Interner::default(), Vec::new());
    interner.views(&dirty, &mut codes);
    assert_eq!(codes, [0, 0, 1, 1]);
    assert_eq!(interner.into_values(), [Some("ab"), Some("")]);
}
