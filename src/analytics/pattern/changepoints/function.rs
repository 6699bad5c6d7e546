//! Changepoints as a function.

use super::{Changepoint, Cost, Number, Online, find, noise};
use crate::analytics::{Column, Function, Input, Options, Table};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// Values up to which a number of changes is found for costs other than l2.
const MOST: usize = 20_000;

/// `changepoints`: options `method`, `cost`, `penalty`, `count`, `min_size`, `length`.
pub(in crate::analytics::pattern) const FUNCTION: Function =
    Function { name: "changepoints", fields: (1, 1), run };

struct Request {
    method: &'static str,
    cost: Cost,
    number: Number,
    least: usize,
    length: f64,
}

impl Request {
    fn take(options: &mut Options) -> Result<Self> {
        let count = options.count("count", 0)?;
        let penalty = options.number("penalty")?.filter(|_| count.is_none());
        let exact = ["pelt", "exact", "online"];
        let method = match (options.has("method"), count) {
            (false, Some(_)) => "exact",
            _ => options.choice("method", &exact)?,
        };
        let cost = match options.choice("cost", &["l2", "l1", "normal"])? {
            "l1" => Cost::L1,
            "normal" => Cost::Normal,
            _ => Cost::L2,
        };
        let usual = if method == "online" || cost == Cost::Normal { 5 } else { 2 };
        let least = options.count("min_size", 1)?.unwrap_or(usual);
        let length = options.positive("length", 250.0)?;
        options.finish("changepoints")?;
        if let Some(penalty) = penalty.filter(|penalty| *penalty <= 0.0) {
            return Err(Error::invalid(format!("penalty is above 0, got {penalty}")));
        }
        if count.is_some() && method != "exact" {
            return Err(Error::invalid(format!(
                "count is for method=\"exact\", which finds that many; {method} finds as many as \
                 there are"
            )));
        }
        let number = match (count, penalty) {
            (Some(count), _) => Number::Count(count),
            (None, Some(penalty)) => Number::Penalty(penalty),
            (None, None) => Number::Usual,
        };
        Ok(Self { method, cost, number, least, length })
    }
}

fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let request = Request::take(options)?;
    Table::each(inputs, guard, |input| {
        let rows: Vec<usize> =
            (0..input.times.len()).filter(|row| input.values()[*row].abs() < 1e150).collect();
        let values: Vec<f64> = rows.iter().map(|row| input.values()[*row]).collect();
        let counted = matches!(request.number, Number::Count(_));
        if counted && request.cost != Cost::L2 && values.len() > MOST {
            return Err(Error::LimitExceeded(format!(
                "a count of changes takes time with the square of the values for this cost: at \
                 most {MOST}, got {}; give a penalty, or cost=\"l2\"",
                values.len()
            )));
        }
        let bytes = values.len().saturating_mul(if request.cost == Cost::L1 { 768 } else { 64 });
        guard.charge(bytes)?;
        let found = match request.method {
            "online" => online(&values, &request, guard),
            _ => find(&values, request.cost, request.number, request.least, guard)
                .map(|found| found.into_iter().map(|point| (point, None)).collect()),
        };
        guard.release(bytes);
        let found = found?;
        let time = |at: usize| input.times[rows[at]];
        Ok(Table::new([
            ("time", Column::Time(found.iter().map(|(p, _)| time(p.index)).collect())),
            ("index", Column::Int(found.iter().map(|(p, _)| rows[p.index] as i64).collect())),
            ("before", Column::Float(found.iter().map(|(p, _)| p.before).collect())),
            ("after", Column::Float(found.iter().map(|(p, _)| p.after).collect())),
            ("confidence", Column::Float(found.iter().map(|(p, _)| p.confidence).collect())),
            (
                "told",
                Column::Time(found.iter().map(|(_, told)| told.map_or(i64::MIN, time)).collect()),
            ),
        ]))
    })
}

/// A change, and when it was told.
type Told = (Changepoint, Option<usize>);

fn online(values: &[f64], request: &Request, guard: &dyn Guard) -> Result<Vec<Told>> {
    let n = values.len();
    if n == 0 {
        return Ok(Vec::new());
    }
    let mean = values.iter().map(|value| value / n as f64).sum::<f64>();
    let spread = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
    let noise = noise(values).max(1e-6 * spread);
    let mut state = Online::new(mean, spread, noise, request.length, request.least);
    let mut told = Vec::new();
    for (at, value) in values.iter().enumerate() {
        if at % 256 == 0 {
            guard.poll()?;
        }
        told.extend(state.update(*value).map(|change| (change, at)));
    }
    let starts: Vec<usize> = told.iter().map(|(change, _)| change.start as usize).collect();
    let mean =
        |from: usize, to: usize| values[from..to].iter().sum::<f64>() / (to - from).max(1) as f64;
    let points = told.iter().enumerate().map(|(number, (change, at))| {
        let from = if number == 0 { 0 } else { starts[number - 1] };
        let to = starts.get(number + 1).copied().unwrap_or(n);
        let index = starts[number];
        let point = Changepoint {
            index,
            before: mean(from, index),
            after: mean(index, to),
            confidence: change.p,
        };
        (point, Some(*at))
    });
    Ok(points.collect())
}
