//! Frames in and out through Arrow's C stream, without a copy.

use std::ffi::CStr;
use std::sync::Arc;

use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{RecordBatch, RecordBatchIterator};
use arrow_schema::Schema;
use kymograph::Error;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::error::to_py;

/// The name that the Arrow PyCapsule interface gives to a stream's capsule.
const STREAM: &CStr = c"arrow_array_stream";

/// A frame that came in: immutable Arrow buffers, shared with whoever made them.
pub(crate) struct Input {
    pub(crate) schema: Arc<Schema>,
    pub(crate) batches: Vec<RecordBatch>,
}

impl<'py> FromPyObject<'_, 'py> for Input {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        let capsule = object.call_method0("__arrow_c_stream__").map_err(|error| {
            let what = object.get_type();
            let wrong = PyTypeError::new_err(format!("{what} is no Arrow stream"));
            wrong.set_cause(py, Some(error));
            wrong
        })?;
        let capsule = capsule.cast_into::<PyCapsule>()?;
        let pointer = capsule.pointer_checked(Some(STREAM))?;
        // SAFETY: a capsule of this name holds an `ArrowArrayStream` by the PyCapsule interface;
        // `from_raw` moves it out and marks it released, so that the capsule frees nothing twice.
        let reader = unsafe {
            RecordBatchStreamReader::from_raw(pointer.cast::<FFI_ArrowArrayStream>().as_ptr())
        };
        let unreadable = |error| {
            let message = format!("the frame's Arrow stream cannot be read: {error}");
            to_py(py, &Error::InvalidArgument(message))
        };
        let reader = reader.map_err(unreadable)?;
        let schema = arrow_array::RecordBatchReader::schema(&reader);
        let batches = reader.collect::<Result<_, _>>().map_err(unreadable)?;
        Ok(Self { schema, batches })
    }
}

/// A result, handed over through Arrow's C stream.
#[pyclass(frozen, module = "kymograph._core")]
pub(crate) struct Frame(RecordBatch);

impl From<RecordBatch> for Frame {
    fn from(batch: RecordBatch) -> Self {
        Self(batch)
    }
}

#[pymethods]
impl Frame {
    fn __len__(&self) -> usize {
        self.0.num_rows()
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A request is a wish by the interface; the types here are the ones that lose nothing.
        drop(requested_schema);
        let batches = RecordBatchIterator::new([Ok(self.0.clone())], self.0.schema());
        let stream = FFI_ArrowArrayStream::new(Box::new(batches));
        PyCapsule::new_with_value(py, stream, STREAM)
    }
}
