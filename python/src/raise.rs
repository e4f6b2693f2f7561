//! Reports as JSON, and errors as the exceptions of `mverify/_errors.py`.

use mverify::loader::LoadError;
use mverify::report::render::{Json, Render};
use mverify::{Error, Report};
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;

/// The wire form, as the command writes it.
pub fn json(report: &Report) -> PyResult<String> {
    let mut out = Vec::new();
    let mut render = Json::default();
    report
        .artifacts
        .iter()
        .try_for_each(|artifact| render.artifact(&mut out, artifact))
        .and_then(|()| render.finish(&mut out, &report.summary))
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    String::from_utf8(out).map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

/// `mverify.UsageError`.
pub fn usage(message: impl Into<String>) -> PyErr {
    Python::attach(|py| made(py, "UsageError", message.into(), None))
}

/// What an error of the library is in Python.
pub fn error(py: Python<'_>, error: &Error) -> PyErr {
    match error {
        Error::Usage(_) => made(py, "UsageError", error.to_string(), None),
        Error::Io { path, doing, source } => match source.raw_os_error() {
            // the subclass that the number stands for: FileNotFoundError, PermissionError
            Some(number) => {
                let why = source.to_string();
                let why = why.strip_suffix(&format!(" (os error {number})")).unwrap_or(&why).to_owned();
                let why = if *doing == "open" { why } else { format!("{doing}: {why}") };
                PyOSError::new_err((number, why, path.as_os_str().to_owned()))
            }
            None => made(py, "NotProven", error.to_string(), None),
        },
        _ => made(py, "NotProven", error.to_string(), None),
    }
}

/// Why a file is not handed out.
pub fn refused(py: Python<'_>, refused: &LoadError) -> PyErr {
    match refused {
        LoadError::Rejected(report) => made(py, "Rejected", refused.to_string(), Some(report)),
        LoadError::NotProven(report) => made(py, "NotProven", refused.to_string(), Some(report)),
        LoadError::Error(inner) => error(py, inner),
        other => made(py, "NotProven", other.to_string(), None),
    }
}

fn made(py: Python<'_>, class: &str, message: String, report: Option<&Report>) -> PyErr {
    let made = || {
        let report = report.map(json).transpose()?;
        py.import("mverify._errors")?.getattr("_make")?.call1((class, message, report))
    };
    made().map_or_else(|error| error, PyErr::from_value)
}
