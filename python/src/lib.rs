//! The native half of the `kymograph` package: converts what Python gives, calls the core with
//! the interpreter released, converts what comes back.

mod database;
mod error;
mod frame;
mod gil;
mod query;

use pyo3::prelude::*;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    error::register(module)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<database::Database>()?;
    module.add_class::<frame::Frame>()?;
    module.add_function(wrap_pyfunction!(database::check, module)?)?;
    Ok(())
}
