//! Rules about pickle streams: what unpickling would import, call or build.

use super::rules;

rules! {
    DANGEROUS_GLOBAL = "MV-PKL-001" Critical Bad, "a dangerous global is named",
        why: "The pickle imports a callable that can run commands, code, or touch files. Importing it is enough to judge the file: nothing that saves weights needs it.",
        todo: "Do not load this file. Ask its publisher for a safetensors version.", fixture: "pickle/os_getpid.pkl";
    UNVETTED_CALL = "MV-PKL-002" High Bad, "an unvetted function is called",
        why: "Loading calls this function with arguments that the file chooses, and mverify does not know that it is harmless. Scanners that only deny known names have missed hundreds of such functions (see the advisories of picklescan and fickling of 2025 and 2026).",
        todo: "Do not load this file. If the name is a class of your own code, have it saved by its state_dict, or vouch for it in mverify.toml.", fixture: "pickle/unvetted_call.pkl";
    HIDDEN_CALLABLE = "MV-PKL-003" High Bad, "a callable is hidden or computed",
        why: "What would be called or imported is worked out while loading, or reached through the attributes of another name, so the file does not say it openly. Honest writers never need that; exploits do, to get past scanners.",
        todo: "Do not load this file.", fixture: "pickle/computed_name.pkl";
    UNVETTED_GLOBAL = "MV-PKL-004" Medium Unvetted, "an unvetted class is named",
        why: "The pickle imports this name, and perhaps makes an instance of it. Importing runs the module, and its constructor or __setstate__ runs on data from the file; mverify knows neither. In packages that mverify does not know, what has the name of a class is taken for one.",
        todo: "Look at the class. If you trust it, vouch for it in mverify.toml or choose the profile of its framework with --profile.", fixture: "pickle/main_class.pkl";
    MISUSED = "MV-PKL-005" High Bad, "a vetted global is used in a way that is not vetted",
        why: "The name is harmless the way libraries write it, but not with these arguments or on this object: getattr reaches anything, partial calls anything, BUILD on a class changes it for the whole process.",
        todo: "Do not load this file.", fixture: "pickle/misused_partial.pkl";
    UNPROVEN_USE = "MV-PKL-006" Medium Unvetted, "a vetted global is used in a way that cannot be followed",
        why: "The name is harmless in the shapes mverify knows. The arguments here are none of them, though nothing in them is known to be dangerous.",
        todo: "Ask the publisher for a safetensors version, or look at the object named.", fixture: "";
    DIVERGENT = "MV-PKL-007" High Bad, "two unpicklers would read this stream differently",
        why: "CPython has a C and a pure-Python unpickler, and they differ in frames, text numbers and arguments (cpython issue 154848). A stream that depends on the difference shows scanners something else than it does; no pickler writes one.",
        todo: "Do not load this file.", fixture: "pickle/frame_straddle.pkl";
    MALFORMED = "MV-PKL-008" Medium Unproven, "the pickle is truncated or malformed",
        why: "Loading raises an exception at this place. Everything before it has run by then and was judged, but the file is not what was saved.",
        todo: "Fetch the file again and compare its digest with the publisher's.", fixture: "pickle/truncated.pkl";
    EXTENSION = "MV-PKL-009" High Bad, "a callable is named by an extension code",
        why: "EXT opcodes look a global up in a registry of the running process, so the file does not say what it imports.",
        todo: "Do not load this file.", fixture: "pickle/ext1.pkl";
    TRAILING = "MV-PKL-010" Medium Unvetted, "bytes follow the last pickle that nothing accounts for",
        why: "Loading stops at STOP, so these bytes are not part of the object. They may be a second payload for a loader that goes on.",
        todo: "Find out what appended them, or fetch the file again.", fixture: "pickle/trailing.pkl";
    BOMB = "MV-PKL-011" Medium Unvetted, "the pickle is small and its object is huge",
        why: "Shared references or memo indices make an object that exhausts memory when loaded, copied or printed.",
        todo: "Do not load this file in a process that matters.", fixture: "pickle/laughs.pkl";
    PERSISTENT_ID = "MV-PKL-012" Medium Unvetted, "the pickle refers to objects outside of it",
        why: "Persistent ids are resolved by the program that loads the pickle, in its own way. Plain pickle.load refuses them.",
        todo: "Scan the whole archive that this pickle belongs to.", fixture: "pickle/persid.pkl";
    EMBEDDED = "MV-PKL-013" Medium Unvetted, "a byte string inside is itself a suspicious pickle",
        why: "Nothing in this stream loads the inner pickle, but a program that does would import or call what is not vetted.",
        todo: "Find out what reads this byte string.", fixture: "pickle/embedded.pkl";
    ARRAY_BYTES = "MV-PKL-014" Medium Unproven, "the raw bytes of an array cannot be located",
        why: "joblib writes arrays between the opcodes of its pickles. Where their size is unknown, nothing behind them can be read.",
        todo: "Save the arrays with numpy.savez or safetensors.", fixture: "";
    OUTSIDE_STORAGE = "MV-PKL-015" Medium Unproven, "a tensor reaches outside its storage",
        why: "Offset, size and stride of this tensor do not fit the storage it is a view of: torch refuses it or reads foreign memory.",
        todo: "Fetch the file again and compare its digest with the publisher's.", fixture: "";
}
