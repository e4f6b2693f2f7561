//! Rules about pickle streams: what unpickling would import, call or build.

use super::rules;

rules! {
    DANGEROUS_GLOBAL = "MV-PKL-001" Critical Bad, "a dangerous global is named",
        why: "The pickle imports a callable that can run commands, code, or touch files. Importing it is enough to judge the file: nothing that saves weights needs it.",
        todo: "Do not load this file. Ask its publisher for a safetensors version.", fixture: "pickle/os_getpid.pkl";
}
