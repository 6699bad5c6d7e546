//! The matrix profile as a function.

use super::{MatrixProfile, Measure, profile};
use crate::analytics::{Column, Function, Input, Options, Table};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// Bytes of work for each value and thread, and of result.
const BYTES: usize = 256;

/// `matrix_profile`: options `window` (required), `exclusion`, `normalize` (true).
pub(in crate::analytics::pattern) const FUNCTION: Function =
    Function { name: "matrix_profile", fields: (1, 1), run };

/// What an analysis of windows is asked for.
pub(in crate::analytics::pattern) struct Request {
    window: usize,
    exclusion: Option<usize>,
    measure: Measure,
}

impl Request {
    pub(in crate::analytics::pattern) fn take(options: &mut Options, of: &str) -> Result<Self> {
        let Some(window) = options.count("window", 2)? else {
            return Err(Error::invalid(format!(
                "{of} needs window, a count of values such as 100: about as long as what is looked \
                 for"
            )));
        };
        let exclusion = options.count("exclusion", 0)?;
        let plain = !options.flag("normalize", true)?;
        let measure = if plain { Measure::Plain } else { Measure::Normalized };
        Ok(Self { window, exclusion, measure })
    }

    /// The profile of a series, its memory charged while it is made.
    pub(in crate::analytics::pattern) fn profile(
        &self,
        values: &[f64],
        guard: &dyn Guard,
    ) -> Result<MatrixProfile> {
        let bytes = values.len().saturating_mul(BYTES);
        guard.charge(bytes)?;
        let profile = profile(values, self.window, self.exclusion, self.measure, guard);
        guard.release(bytes);
        profile
    }
}

fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let request = Request::take(options, "matrix_profile")?;
    options.finish("matrix_profile")?;
    Table::each(inputs, guard, |input| {
        let profile = request.profile(input.values(), guard)?;
        let rows = profile.nearest.distances.len();
        let sides = [&profile.nearest, &profile.left, &profile.right];
        let places = sides.map(|side| side.neighbors.iter().map(|at| place(*at)).collect());
        let [nearest, left, right] = places;
        let times = |places: &Vec<i64>| places.iter().map(|at| time(input.times, *at)).collect();
        Ok(Table::new([
            ("time", Column::Time(input.times[..rows].to_vec())),
            ("index", Column::Int((0..rows as i64).collect())),
            (
                "profile",
                Column::Float(profile.nearest.distances.iter().map(|d| told(*d)).collect()),
            ),
            ("neighbor_time", Column::Time(times(&nearest))),
            ("neighbor", Column::Int(nearest)),
            (
                "left_profile",
                Column::Float(profile.left.distances.iter().map(|d| told(*d)).collect()),
            ),
            ("left", Column::Int(left)),
            ("right", Column::Int(right)),
        ]))
    })
}

/// An infinite distance is told as none.
fn told(distance: f64) -> f64 {
    if distance.is_finite() { distance } else { f64::NAN }
}

pub(in crate::analytics::pattern) fn place(at: Option<usize>) -> i64 {
    at.map_or(i64::MIN, |at| at as i64)
}

pub(in crate::analytics::pattern) fn time(times: &[i64], at: i64) -> i64 {
    usize::try_from(at).ok().and_then(|at| times.get(at)).copied().unwrap_or(i64::MIN)
}
