//! The exception tree: the core's errors, each also the builtin that people catch.

use kymograph::Error;
use pyo3::exceptions::{
    PyBaseException, PyException, PyKeyError, PyMemoryError, PyOSError, PyTimeoutError,
    PyValueError,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

struct Tree {
    invalid_argument: Py<PyType>,
    not_found: Py<PyType>,
    corrupt: Py<PyType>,
    conflict: Py<PyType>,
    limit_exceeded: Py<PyType>,
    cancelled: Py<PyType>,
    database_locked: Py<PyType>,
    storage_error: Py<PyType>,
    internal: Py<PyType>,
}

static TREE: PyOnceLock<Tree> = PyOnceLock::new();

fn subclass<B: pyo3::PyTypeInfo>(
    module: &Bound<'_, PyModule>,
    base: &Bound<'_, PyType>,
    name: &str,
    doc: &str,
) -> PyResult<Py<PyType>> {
    let py = module.py();
    let bases = PyTuple::new(py, [base.as_any(), py.get_type::<B>().as_any()])?;
    let dict = PyDict::new(py);
    dict.set_item("__module__", "kymograph")?;
    dict.set_item("__doc__", doc)?;
    let made = py.get_type::<PyType>().call1((name, bases, dict))?.cast_into::<PyType>()?;
    module.add(name, &made)?;
    Ok(made.unbind())
}

/// Makes the exceptions and adds them to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let dict = PyDict::new(py);
    dict.set_item("__module__", "kymograph")?;
    dict.set_item("__doc__", "Every error that kymograph raises.")?;
    // KeyError would show its message in quotes; the tree's root puts the plain text first.
    dict.set_item("__str__", py.get_type::<PyBaseException>().getattr("__str__")?)?;
    let bases = PyTuple::new(py, [py.get_type::<PyException>()])?;
    let root = py.get_type::<PyType>().call1(("KymographError", bases, dict))?;
    let root = root.cast_into::<PyType>()?;
    module.add("KymographError", &root)?;
    let tree = Tree {
        invalid_argument: subclass::<PyValueError>(
            module,
            &root,
            "InvalidArgument",
            "An argument cannot be used; the message says what would work.",
        )?,
        not_found: subclass::<PyKeyError>(
            module,
            &root,
            "NotFound",
            "No such table, field, tag, version or database; the message lists near names.",
        )?,
        corrupt: subclass::<PyOSError>(
            module,
            &root,
            "Corrupt",
            "Bytes on disk fail their checksum or break their format.",
        )?,
        conflict: subclass::<PyValueError>(
            module,
            &root,
            "Conflict",
            "Another writer committed first, or a table exists with another shape.",
        )?,
        limit_exceeded: subclass::<PyMemoryError>(
            module,
            &root,
            "LimitExceeded",
            "A memory budget or a limit of the format would be passed.",
        )?,
        cancelled: subclass::<PyTimeoutError>(
            module,
            &root,
            "Cancelled",
            "The query was cancelled or took longer than its timeout.",
        )?,
        database_locked: subclass::<PyOSError>(
            module,
            &root,
            "DatabaseLocked",
            "Another writer holds the database; the message names it.",
        )?,
        storage_error: subclass::<PyOSError>(
            module,
            &root,
            "StorageError",
            "The file system or the object store failed.",
        )?,
        internal: subclass::<PyException>(
            module,
            &root,
            "Internal",
            "A broken invariant of kymograph itself; please report it.",
        )?,
    };
    TREE.set(py, tree).map_err(|_| PyValueError::new_err("kymograph._core is already loaded"))
}

/// The exception of a core error.
pub(crate) fn to_py(py: Python<'_>, error: &Error) -> PyErr {
    let message = error.to_string();
    let Some(tree) = TREE.get(py) else { return PyValueError::new_err(message) };
    let kind = match error {
        Error::InvalidArgument(_) => &tree.invalid_argument,
        Error::NotFound(_) => &tree.not_found,
        Error::Corrupt(_) => &tree.corrupt,
        Error::Conflict(_) => &tree.conflict,
        Error::LimitExceeded(_) => &tree.limit_exceeded,
        Error::Cancelled(_) => &tree.cancelled,
        Error::DatabaseLocked(_) => &tree.database_locked,
        Error::Storage { .. } => &tree.storage_error,
        _ => &tree.internal,
    };
    PyErr::from_type(kind.bind(py).clone(), message)
}
