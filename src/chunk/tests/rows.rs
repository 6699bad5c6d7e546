use super::*;

fn round_trip(rows: &Rows) {
    let chunk = opened(rows);
    assert_eq!(chunk.rows(), rows.times.len());
    assert_eq!(chunk.blocks(), rows.times.len().div_ceil(BLOCK_ROWS));
    for block in 0..chunk.blocks() {
        let block_rows = chunk.block_rows(block);
        let span = (rows.times[block_rows.start], rows.times[block_rows.end - 1]);
        assert_eq!(chunk.block_span(block), span);
    }
    for (encoding, size) in (0..chunk.columns()).map(|c| chunk.encoding(c)) {
        assert!(size > 0, "{encoding:?}");
    }
    let got = read(&chunk).unwrap();
    assert_same(&got, rows);
    assert_stats(&chunk, &got);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn short_chunks(rows in chunk_of(1..140usize)) {
        round_trip(&rows);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn full_chunks(rows in chunk_of(prop_oneof![100..1100usize, 2000..4000usize, Just(1024), Just(2048)])) {
        round_trip(&rows);
    }
}

#[test]
fn the_largest_chunk() {
    let times: Vec<i64> = (0..CHUNK_ROWS as i64).map(|i| i * i).collect();
    let values = Values::F64((0..CHUNK_ROWS).map(|i| (i % 777) as f64 / 8.0).collect());
    let validity = (0..CHUNK_ROWS).map(|i| i % 5000 > 0).collect();
    round_trip(&Rows { times, columns: vec![Column { values, validity: Some(validity) }] });
}

#[test]
fn a_short_series_costs_little() {
    let times: Vec<i64> = (0..20).map(|i| 1_700_000_000_000_000_000 + i * 10_000_000_000).collect();
    let column = Column::new(Values::F64(vec![99.5; 20]));
    let chunk = opened(&Rows { times, columns: vec![column] });
    assert!(chunk.bytes().len() < 40, "{} bytes", chunk.bytes().len());
}

#[test]
fn columns_can_be_read_one_after_another_into_one() {
    let times: Vec<i64> = (0..200).collect();
    let holey = Values::I64(times.clone());
    let validity = Some(times.iter().map(|t| t % 7 > 0).collect());
    let columns = vec![
        Column::new(Values::I64(times.clone())),
        Column { values: holey, validity },
        Column::new(Values::F64(vec![0.5; 200])),
    ];
    let chunk = opened(&Rows { times, columns: columns.clone() });
    let mut out = Column::empty(FieldType::I64);
    let mut want = Column::empty(FieldType::I64);
    for c in [0, 1, 0] {
        chunk.decode_column(c, 0, &mut out).unwrap();
        (0..200).for_each(|i| want.push_from(&columns[c], i));
    }
    assert_eq!(out, want);
    assert!(matches!(chunk.decode_column(2, 0, &mut out), Err(crate::Error::Internal(_))));
    assert!(matches!(chunk.decode_column(3, 0, &mut out), Err(crate::Error::Internal(_))));
    assert!(matches!(chunk.decode_column(0, 1, &mut out), Err(crate::Error::Internal(_))));
    assert!(matches!(chunk.decode_times(1, &mut Vec::new()), Err(crate::Error::Internal(_))));
    assert_eq!(out, want);
}

#[test]
#[should_panic(expected = "ascend")]
fn times_must_ascend() {
    let _ = Chunk::encode(&[2, 1], &[], &[], &mut Vec::new());
}
