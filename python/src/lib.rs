//! The native half of the `kymograph` package: converts what Python gives, calls the core with
//! the interpreter released, converts what comes back.

mod analytics;
mod database;
mod detector;
mod error;
mod frame;
mod gil;
mod query;
mod sql;

use mimalloc::MiMalloc;
use pyo3::prelude::*;

/// Results are tens of megabytes that come and go with every query: memory that stays mapped spares
/// the page faults, and threads do not wait for each other.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    error::register(module)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<database::Database>()?;
    module.add_class::<detector::Detector>()?;
    module.add_class::<frame::Frame>()?;
    module.add_class::<sql::Unfinished>()?;
    module.add_function(wrap_pyfunction!(analytics::analyses, module)?)?;
    module.add_function(wrap_pyfunction!(analytics::analyze, module)?)?;
    module.add_function(wrap_pyfunction!(database::check, module)?)?;
    Ok(())
}
