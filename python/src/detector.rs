//! Detectors that points come to one by one.

use kymograph::db::LiveDetector;
use kymograph::query::CancelToken;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::analytics::{Arrays, Settings, settings};
use crate::error::to_py;
use crate::frame::{Frame, Input};
use crate::gil::{run, run_interruptible};
use crate::query::Bounds;

/// A detector; the core's has a lock inside.
#[pyclass(frozen, module = "kymograph._core")]
pub(crate) struct Detector(LiveDetector);

#[pymethods]
impl Detector {
    #[new]
    fn new(py: Python<'_>, method: &str, options: Settings) -> PyResult<Self> {
        run(py, || LiveDetector::new(method, &settings(options))).map(Self)
    }

    #[staticmethod]
    fn load(py: Python<'_>, state: Vec<u8>) -> PyResult<Self> {
        run(py, || LiveDetector::load(&state)).map(Self)
    }

    #[getter]
    fn method(&self, py: Python<'_>) -> PyResult<&'static str> {
        run(py, || Ok(self.0.method()))
    }

    fn save<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let state = run(py, || Ok(self.0.save()))?;
        Ok(PyBytes::new(py, &state))
    }

    fn fit(&self, py: Python<'_>, points: Input) -> PyResult<()> {
        run(py, || {
            let points = Arrays::of(points)?;
            self.0.fit(points.times()?, points.values()?)
        })
    }

    /// Score, expected, lower, upper; NaN for none.
    fn update(&self, py: Python<'_>, time: i64, value: f64) -> PyResult<(f64, f64, f64, f64)> {
        let scored = run(py, || Ok(self.0.update(time, value)))?;
        Ok((scored.score, scored.expected, scored.lower, scored.upper))
    }

    fn detect(
        &self,
        py: Python<'_>,
        points: Input,
        threshold: f64,
        bounds: Bounds,
    ) -> PyResult<Frame> {
        let cancel = CancelToken::default();
        let context = bounds.context(None, &cancel).map_err(|error| to_py(py, &error))?;
        let rows = run_interruptible(py, &cancel, || {
            let points = Arrays::of(points)?;
            self.0.detect(points.times()?, points.values()?, threshold, &context)
        });
        rows.map(Frame::from)
    }
}
