//! `detect`: the scores of every point of every series.

use super::peers::Across;
use super::{Detector, build, explain};
use crate::analytics::{Column, Function, Input, Options, Table};
use crate::error::Result;
use crate::kernels::Guard;

/// `detect`: time, value, expected, lower, upper, score, anomaly, method, explanation. Options:
/// `method` ("auto"), `causal` (true), `threshold` (0.5: from which score on a point is an anomaly)
/// and those of the method.
pub(super) const FUNCTION: Function = Function { name: "detect", fields: (1, 1), run };

/// Points between two looks at the guard: the slowest detectors need microseconds for one, save
/// where they fit anew.
const POLL: usize = 64;
/// Bytes of a row of the result, its texts apart.
const ROW: usize = 7 * 8 + 2 * 24 + 1;

fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let method = options.text("method")?.unwrap_or_else(|| "auto".to_owned());
    let causal = options.flag("causal", true)?;
    let threshold = options.fraction("threshold", 0.5)?;
    // Built for its errors, and so that the options that it knows are taken.
    let given = options.clone();
    let across = match method == "peers" {
        true => Some(Across::take(options)?),
        false => build(&method, options).map(|_| None)?,
    };
    options.finish(&format!("detect with method {method:?}"))?;
    let rows: usize = inputs.iter().map(|input| input.times.len()).sum();
    guard.charge(rows.saturating_mul(ROW))?;
    let table = match across {
        Some(across) => across.run(inputs, causal, threshold, guard),
        None => Table::each(inputs, guard, |input| {
            detect(input, &method, given.clone(), causal, threshold, guard)
        }),
    };
    guard.release(rows.saturating_mul(ROW));
    table
}

fn detect(
    input: &Input<'_>,
    method: &str,
    mut options: Options,
    causal: bool,
    threshold: f64,
    guard: &dyn Guard,
) -> Result<Table> {
    let (times, values) = (input.times, input.values());
    let mut detector = build(method, &mut options)?;
    if !causal {
        detector.study(times, values)?;
    }
    score_all(&mut *detector, times, values, threshold, guard)
        .map(|rows| rows.table(times, values, method))
}

/// The next points of a detector, as `detect` tells them, without a column of series.
///
/// # Errors
/// As the guard decides.
pub fn score_points(
    detector: &mut dyn Detector,
    times: &[i64],
    values: &[f64],
    threshold: f64,
    guard: &dyn Guard,
) -> Result<Table> {
    let rows = score_all(detector, times, values, threshold, guard)?;
    Ok(rows.table(times, values, detector.name()))
}

fn score_all(
    detector: &mut dyn Detector,
    times: &[i64],
    values: &[f64],
    threshold: f64,
    guard: &dyn Guard,
) -> Result<Rows> {
    let mut rows = Rows::with_capacity(times.len());
    for (at, (&time, &value)) in times.iter().zip(values).enumerate() {
        if at % POLL == 0 {
            guard.poll()?;
        }
        let scored = detector.update(time, value);
        let why = || explain::explain(detector, value, &scored, threshold);
        rows.push(&scored, threshold, why);
    }
    Ok(rows)
}

/// The columns that detectors give.
pub(super) struct Rows {
    expected: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    score: Vec<f64>,
    anomaly: Vec<bool>,
    explanation: Vec<Option<String>>,
}

impl Rows {
    pub(super) fn with_capacity(rows: usize) -> Self {
        let floats = || Vec::with_capacity(rows);
        Self {
            expected: floats(),
            lower: floats(),
            upper: floats(),
            score: floats(),
            anomaly: Vec::with_capacity(rows),
            explanation: Vec::with_capacity(rows),
        }
    }

    pub(super) fn push(
        &mut self,
        scored: &super::Scored,
        threshold: f64,
        why: impl FnOnce() -> String,
    ) {
        // No score is no anomaly, whatever the threshold.
        let anomaly = scored.score >= threshold;
        self.expected.push(scored.expected);
        self.lower.push(scored.lower);
        self.upper.push(scored.upper);
        self.score.push(scored.score);
        self.anomaly.push(anomaly);
        self.explanation.push(anomaly.then(why));
    }

    pub(super) fn table(self, times: &[i64], values: &[f64], method: &str) -> Table {
        Table::new([
            ("time", Column::Time(times.to_vec())),
            ("value", Column::Float(values.to_vec())),
            ("expected", Column::Float(self.expected)),
            ("lower", Column::Float(self.lower)),
            ("upper", Column::Float(self.upper)),
            ("score", Column::Float(self.score)),
            ("anomaly", Column::Bool(self.anomaly)),
            ("method", Column::Text(vec![Some(method.to_owned()); times.len()])),
            ("explanation", Column::Text(self.explanation)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::Value;
    use crate::kernels::Unguarded;

    fn options(given: &[(&str, Value)]) -> Options {
        Options::new(given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())))
    }

    fn zscore() -> (&'static str, Value) {
        ("method", Value::Text("zscore".to_owned()))
    }

    #[test]
    fn every_series_has_a_row_a_point_and_an_anomaly_is_explained() {
        let times: Vec<i64> = (0..60).collect();
        let mut values: Vec<f64> = times.iter().map(|t| (t % 5) as f64).collect();
        values[50] = 40.0;
        values[20] = f64::NAN;
        let inputs = [
            Input { times: &times, fields: &[("v", &values)] },
            Input { times: &times[..10], fields: &[("v", &values[..10])] },
        ];
        let table = run(&inputs, &mut options(&[zscore()]), &Unguarded).expect("a table");
        assert_eq!(table.rows(), 70);
        let score = table.floats("score").expect("scores");
        let Some(Column::Bool(anomaly)) = table.column("anomaly") else { panic!("no anomalies") };
        let Some(Column::Text(why)) = table.column("explanation") else { panic!("no texts") };
        for at in 0..70 {
            assert_eq!(anomaly[at], score[at] >= 0.5);
            assert_eq!(anomaly[at], why[at].is_some());
        }
        assert!(anomaly[50] && score[20].is_nan() && score[0].is_nan());
        let why = why[50].as_deref().expect("explained");
        assert!(why.starts_with("40 is above the expected 2"), "{why}");
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        let input = [Input { times: &[], fields: &[("v", &[])] }];
        let error = |given: &[(&str, Value)]| {
            run(&input, &mut options(given), &Unguarded).expect_err("refused").to_string()
        };
        let method = |name: &str| ("method", Value::Text(name.to_owned()));
        assert!(error(&[method("zscor")]).contains("\"zscore\""));
        assert!(error(&[zscore(), ("windw", Value::Int(3))]).contains("\"window\""));
        assert!(error(&[zscore(), ("threshold", Value::Float(2.0))]).contains("threshold"));
        assert!(error(&[zscore(), ("window", Value::Int(1))]).contains("window"));
    }

    #[test]
    fn no_series_and_no_points_give_the_same_columns() {
        let none = run(&[], &mut options(&[zscore()]), &Unguarded).expect("a table");
        let empty = [Input { times: &[], fields: &[("v", &[])] }];
        let empty = run(&empty, &mut options(&[zscore()]), &Unguarded).expect("a table");
        assert_eq!(none, empty);
        assert_eq!((none.rows(), none.columns.len()), (0, 10));
    }
}
