//! Fields at equal steps, and as they were some steps before.

use crate::analytics::{Grid, Input};
use crate::error::Result;

/// The fields of a series on one regular grid; see [`Grid`] for how rows come to stand on it.
#[derive(Clone, Debug)]
pub(super) struct Steps<'a> {
    /// Names of the fields.
    pub(super) names: Vec<&'a str>,
    /// One value a step; NaN where nothing finite was measured.
    pub(super) columns: Vec<Vec<f64>>,
    /// From step to step, ns.
    pub(super) step: i64,
}

impl<'a> Steps<'a> {
    /// Of a series, in steps of `every`, or of the median distance of its rows.
    ///
    /// # Errors
    /// Those of [`Grid::new`].
    pub(super) fn of(input: &Input<'a>, every: Option<i64>) -> Result<Self> {
        let mut steps = Self { names: Vec::new(), columns: Vec::new(), step: every.unwrap_or(0) };
        for (name, values) in input.fields {
            let mut grid = Grid::new(input.times, values, every)?;
            for value in &mut grid.values {
                if value.is_infinite() {
                    *value = f64::NAN;
                }
            }
            steps.step = grid.step;
            steps.names.push(name);
            steps.columns.push(grid.values);
        }
        Ok(steps)
    }

    /// How many steps.
    pub(super) fn len(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// Columns of fields as they were `lag` steps before, over the steps from `from` on at which
    /// none of them is missing. `terms` are fields and lags; no lag is above `from`.
    pub(super) fn table(&self, terms: &[(usize, usize)], from: usize) -> Vec<Vec<f64>> {
        let len = self.len();
        let whole =
            |at: &usize| terms.iter().all(|(field, lag)| !self.columns[*field][at - lag].is_nan());
        let rows: Vec<usize> = (from..len).filter(whole).collect();
        let column = |(field, lag): &(usize, usize)| {
            rows.iter().map(|at| self.columns[*field][at - lag]).collect()
        };
        terms.iter().map(column).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_at_which_anything_is_missing_is_left_out() {
        let (x, y) =
            ([1.0, 2.0, f64::NAN, 4.0, 5.0, 6.0], [10.0, 20.0, 30.0, 40.0, 50.0, f64::INFINITY]);
        // The fourth step has no row.
        let times = [0, 10, 20, 40, 50, 60];
        let fields: [(&str, &[f64]); 2] = [("x", &x), ("y", &y)];
        let steps = Steps::of(&Input { times: &times, fields: &fields }, None).expect("ascending");
        assert_eq!((steps.len(), steps.step), (7, 10));
        let table = steps.table(&[(0, 0), (1, 1)], 1);
        assert_eq!(table, [vec![2.0, 5.0, 6.0], vec![10.0, 40.0, 50.0]]);
        assert_eq!(steps.table(&[(0, 0)], 9), [Vec::<f64>::new()]);
    }
}
