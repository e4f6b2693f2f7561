//! What is made while loading and used later, and the streams that use it at once.

use super::*;

/// A global, as protocol 2 names it.
fn global(name: &str) -> Vec<u8> {
    let (module, name) = name.split_once(' ').unwrap();
    [b"c", module.as_bytes(), b"\n", name.as_bytes(), b"\n"].concat()
}

/// BINUNICODE.
fn text(text: &str) -> Vec<u8> {
    [&b"X"[..], &u32::try_from(text.len()).unwrap().to_le_bytes(), text.as_bytes()].concat()
}

/// REDUCE of a global over arguments.
fn call(name: &str, args: &[&[u8]]) -> Vec<u8> {
    [&global(name)[..], b"(", &args.concat(), b"tR"].concat()
}

/// A whole stream.
fn stream(parts: &[&[u8]]) -> Vec<u8> {
    [b"\x80\x02", &parts.concat()[..], b"."].concat()
}

fn judged(value: &[u8]) -> Verdict {
    verdict(&stream(&[value]))
}

#[test]
fn a_method_by_name_is_held_and_never_called() {
    let split = call("operator methodcaller", &[&text("split"), &text(",")]);
    is_ok(&stream(&[&split]));
    finds(&stream(&[&split, b"(", &text("a,b"), b"tR"]), &rules::HIDDEN_CALLABLE);
    finds(&stream(&[&call("collections defaultdict", &[&split])]), &rules::MISUSED);
    finds(&stream(&[&call("functools partial", &[&split])]), &rules::MISUSED);
    finds(&stream(&[&call("builtins map", &[&split, b"](", &text("a"), b"e"])]), &rules::MISUSED);
    for name in ["__reduce__", "_private", "a.b", ""] {
        finds(&stream(&[&call("operator methodcaller", &[&text(name)])]), &rules::MISUSED);
    }
    let computed = call("builtins str", &[&text("split")]);
    finds(&stream(&[&call("operator methodcaller", &[&computed])]), &rules::MISUSED);
    finds(&stream(&[&call("operator methodcaller", &[])]), &rules::MISUSED);
}

/// `partial(methodcaller, name, **keywords)(*arguments)`, which the library writes for keywords.
#[test]
fn a_method_by_name_with_keywords() {
    let partial = |held: &str, name: &str| {
        let held = global(held);
        let keywords = [b"}", &text("maxsplit")[..], b"K\x01s"].concat();
        let state = [b"(", &held[..], &text(name), b"\x85", &keywords, b"Nt"].concat();
        [&call("functools partial", &[&held])[..], &state, b"b"].concat()
    };
    let given = [b"(", &text(",")[..], b"tR"].concat();
    is_ok(&stream(&[&partial("operator methodcaller", "split"), &given]));
    finds(&stream(&[&partial("operator methodcaller", "split"), &given, b")R"]), &rules::HIDDEN_CALLABLE);
    for (held, name) in [
        ("operator methodcaller", "__reduce__"),
        ("operator methodcaller", "a.b"),
        ("builtins str", "split"),
        ("html escape", "split"),
        ("operator attrgetter", "split"),
    ] {
        assert_eq!(judged(&[&partial(held, name)[..], &given].concat()), Verdict::Bad, "{held} {name}");
    }
    // filled twice: the second state is what counts, and the first is not trusted for it
    let twice = [&partial("operator methodcaller", "split")[..], b"(", &global("html escape"), &text("x"), b"\x85}Ntb"]
        .concat();
    finds(&stream(&[&twice, &given]), &rules::HIDDEN_CALLABLE);
}

#[test]
fn attributes_by_path() {
    is_ok(&stream(&[&call("operator attrgetter", &[&text("a.b"), &text("c")])]));
    let slice = call("builtins slice", &[b"K\x01K\x02N"]);
    is_ok(&stream(&[&call("operator itemgetter", &[b"K\x01", &text("x.y"), &slice])]));
    for key in [text(""), text("__class__"), global("html escape"), b"]".to_vec()] {
        finds(&stream(&[&call("operator itemgetter", &[&key])]), &rules::MISUSED);
    }
    for path in ["f.__globals__", "__class__", "a._b", "a..b", ".a", ""] {
        finds(&stream(&[&call("operator attrgetter", &[&text(path)])]), &rules::MISUSED);
    }
    let get = call("operator attrgetter", &[&text("a.b")]);
    finds(&stream(&[&get, b"(", &text("x"), b"tR"]), &rules::HIDDEN_CALLABLE);
    finds(&stream(&[&call("builtins filter", &[&get, b"]"])]), &rules::MISUSED);
}

#[test]
fn iterators_that_call_need_a_function_vetted_for_it() {
    let (list, str_) = (&b"](K\x01K\x02e"[..], global("builtins str"));
    for (iterator, args) in [
        ("builtins map", [&str_[..], list].concat()),
        ("itertools takewhile", [&global("builtins bool")[..], list].concat()),
        ("builtins filter", [b"N", list].concat()),
        ("itertools accumulate", list.to_vec()),
        ("itertools accumulate", [list, &global("operator mul")].concat()),
        ("itertools groupby", [list, b"N"].concat()),
    ] {
        is_ok(&stream(&[&call(iterator, &[&args])]));
        // gone through while loading: bounded by nothing
        assert_eq!(judged(&call("builtins list", &[&call(iterator, &[&args])])), Verdict::Unknown, "{iterator}");
    }
    for function in [
        global("os getpid"),
        global("builtins exec"),
        global("builtins getattr"),
        global("functools partial"),
        global("numpy memmap"),
        global("nobody.knows this"),
        call("functools partial", &[&str_]),
        text("system"),
        call("operator methodcaller", &[&text("x")]),
    ] {
        let bad = |name, args: &[&[u8]]| {
            assert_eq!(judged(&call(name, args)), Verdict::Bad, "{name} {}", function.escape_ascii())
        };
        bad("builtins map", &[&function, list]);
        bad("builtins filter", &[&function, list]);
        bad("itertools starmap", &[&function, list]);
        bad("itertools dropwhile", &[&function, list]);
        bad("itertools filterfalse", &[&function, list]);
        bad("itertools accumulate", &[list, &function]);
        bad("itertools groupby", &[list, &function]);
    }
    // only vetted to be named: nobody says what calling it does
    assert_eq!(judged(&call("builtins map", &[&global("math sqrt"), list])), Verdict::Unknown);
    let upper = call("builtins getattr", &[&str_, &text("upper")]);
    assert_ne!(judged(&call("builtins map", &[&upper, list])), Verdict::Ok);
    finds(&stream(&[&call("builtins map", &[&str_])]), &rules::MISUSED);
    // made by NEWOBJ it is the same
    finds(&stream(&[&global("builtins map"), b"(", &global("builtins getattr"), list, b"t\x81"]), &rules::MISUSED);
    // what makes defaults calls it
    let held = call("functools partial", &[&global("builtins map"), &global("os getpid")]);
    assert_eq!(judged(&held), Verdict::Bad);
    let held = call("functools partial", &[&global("builtins map"), &str_]);
    is_ok(&stream(&[&held]));
    finds(&stream(&[&call("collections defaultdict", &[&held])]), &rules::MISUSED);
}

#[test]
fn singletons_by_their_name_and_no_other_text() {
    is_ok(&stream(&[&call("dill._dill _eval_repr", &[&text("Ellipsis")])]));
    is_ok(&stream(&[&call("dill._dill _eval_repr", &[&text("range(-1, 3, 2)")])]));
    let endless = call("dill._dill _eval_repr", &[&text("range(0, 99999999999999)")]);
    assert_eq!(judged(&call("builtins list", &[&endless])), Verdict::Unknown);
    for args in [
        text("print(1)"),
        text("range(print(1), 2)"),
        text("range()"),
        text("range(1, 2)()"),
        text("Ellipsis "),
        Vec::new(),
        b"K\x01".to_vec(),
    ] {
        finds(&stream(&[&call("dill._dill _eval_repr", &[&args])]), &rules::MISUSED);
    }
}

#[test]
fn the_local_file_system_and_no_other() {
    let make = "fsspec.spec make_instance";
    let local = global("fsspec.implementations.local LocalFileSystem");
    is_ok(&stream(&[&call(make, &[&local, b")", b"}"])]));
    is_ok(&stream(&[&call(make, &[&local, b")", b"}", &text("auto_mkdir"), b"\x88s"])]));
    for (class, arguments, keywords) in [
        (&local, global("os getpid"), b"}".to_vec()),
        (&local, [b"(", &global("html escape")[..], b"t"].concat(), b"}".to_vec()),
        (&local, b")".to_vec(), [b"}", &text("x")[..], &global("html escape"), b"s"].concat()),
        (&global("os system"), b")".to_vec(), b"}".to_vec()),
        (&global("fsspec.implementations.http HTTPFileSystem"), b")".to_vec(), b"}".to_vec()),
        (&global("builtins str"), b")".to_vec(), b"}".to_vec()),
    ] {
        let value = call(make, &[class, &arguments, &keywords]);
        assert_eq!(judged(&value), Verdict::Bad, "{}", value.escape_ascii());
    }
    assert_eq!(judged(&[&local[..], b")R"].concat()), Verdict::Bad);
}

#[test]
fn settings_keep_methods_of_their_own_parser() {
    let (parser, section) = (global("configparser ConfigParser"), global("configparser SectionProxy"));
    let method = |class: &[u8], name: &str| {
        [&global("builtins getattr")[..], b"(", class, b")\x81", &text(name), b"tR"].concat()
    };
    let proxy = |get: &str, convert: &str| {
        let (get, keywords) =
            (method(&section, get), [b"}", &text("_impl")[..], &method(&parser, convert), b"s"].concat());
        [&call("functools partial", &[&get])[..], b"(", &get, b")", &keywords, b"Ntb"].concat()
    };
    is_ok(&stream(&[&proxy("get", "getint")]));
    for (get, convert) in [("read", "getint"), ("get", "read"), ("_read", "getint"), ("get", "__init__")] {
        assert_ne!(judged(&proxy(get, convert)), Verdict::Ok, "{get} {convert}");
    }
    finds(&stream(&[&proxy("get", "getint"), b")R"]), &rules::HIDDEN_CALLABLE);
}

#[test]
fn what_starts_a_program_is_never_proven() {
    assert_eq!(judged(&call("platform uname_result", &[&text("Linux")])), Verdict::Unknown);
    is_ok(b"\x80\x02csocket\nAF_INET\n.");
    is_ok(b"\x80\x02csocket\nAddressFamily\nK\x02\x85R.");
    finds(b"\x80\x02csocket\nsocket\n)R.", &rules::DANGEROUS_GLOBAL);
}

#[test]
fn a_base_in_native_code_takes_the_state() {
    let zone = |base: &str| call("copyreg _reconstructor", &[&global("dateutil.tz.tz tzutc"), &global(base), b"N"]);
    is_ok(&stream(&[&zone("datetime tzinfo")]));
    for base in ["os getpid", "subprocess Popen", "numpy memmap", "functools partial", "math sqrt"] {
        assert_eq!(judged(&zone(base)), Verdict::Bad, "{base}");
    }
}

#[test]
fn a_batch_of_graphs_and_no_other_class() {
    let (getter, batch) = ("torch_geometric.data.batch DynamicInheritanceGetter", "torch_geometric.data.batch Batch");
    let made = |classes: &[&str]| {
        let classes: Vec<u8> = classes.iter().flat_map(|name| global(name)).collect();
        [&call(getter, &[])[..], b"(", &classes, b"tR}b"].concat()
    };
    is_ok(&stream(&[&made(&[batch, "torch_geometric.data.data Data"])]));
    for classes in [
        &[batch, "os getpid"][..],
        &["os getpid", "torch_geometric.data.data Data"],
        &["torch_geometric.data.data Data", batch],
        &[batch, "builtins dict"],
        &[batch, "nobody.knows this"],
        &[batch],
        &[],
    ] {
        finds(&stream(&[&made(classes)]), &rules::HIDDEN_CALLABLE);
    }
    finds(&stream(&[&call(getter, &[b"K\x01"])]), &rules::MISUSED);
    // an object that merely is one of the class, filled with a call of its own, is still called as the class says
    finds(
        &stream(&[&call(getter, &[]), b"}", &text("__call__"), &global("html escape"), b"sb)R"]),
        &rules::HIDDEN_CALLABLE,
    );
}

#[test]
fn what_native_code_takes_unchecked_is_never_proven() {
    let array = call("pyarrow.lib _restore_array", &[b"N"]);
    assert_eq!(judged(&array), Verdict::Unknown);
    assert_eq!(judged(&call("pyarrow.lib type_for_alias", &[&text("int64")])), Verdict::Ok);
    // being unproven is no licence
    assert_eq!(judged(&call("pyarrow.lib _restore_array", &[&call("os getpid", &[])])), Verdict::Bad);
    finds(&stream(&[&array, b")R"]), &rules::HIDDEN_CALLABLE);
    finds(&stream(&[&call("collections defaultdict", &[&global("pyarrow.lib _restore_array")])]), &rules::MISUSED);
    finds(&stream(&[&call("builtins map", &[&global("pyarrow.lib _restore_array"), b"]"])]), &rules::MISUSED);
}

#[test]
fn sorted_containers_take_no_function_that_orders() {
    let dict = "sortedcontainers.sorteddict SortedDict";
    is_ok(&stream(&[&call(dict, &[b"N}", &text("a"), b"K\x01s"])]));
    let set = call("builtins set", &[b"](K\x01K\x02e"]);
    is_ok(&stream(&[&call("sortedcontainers.sortedset SortedSet", &[&set, b"N"])]));
    for key in [global("html escape"), global("builtins str"), call("operator attrgetter", &[&text("a")])] {
        finds(&stream(&[&call(dict, &[&key, b"}"])]), &rules::MISUSED);
    }
}

/// A name that nobody knows is unknown where it is held or constructed, in every protocol, and bad where it is called.
#[test]
fn what_nobody_knows_is_held_or_constructed_but_not_called() {
    let mine = global("nobody.knows Net");
    assert_eq!(judged(&call("functools partial", &[&mine])), Verdict::Unknown);
    assert_eq!(judged(&[&call("functools partial", &[&mine])[..], b"(", &mine, b")}Ntb"].concat()), Verdict::Unknown);
    finds(&stream(&[&call("functools partial", &[&mine]), b")R"]), &rules::HIDDEN_CALLABLE);
    finds(&stream(&[&call("functools partial", &[&global("os getpid")])]), &rules::MISUSED);
    finds(&stream(&[&call("functools partial", &[&global("torch hub")])]), &rules::MISUSED);
    let new = |of: &[u8]| call("builtins getattr", &[of, &text("__new__")]);
    let keywords = |of: &[u8], class: &[u8]| {
        let partial = call("functools partial", &[&new(of)]);
        [&partial[..], b"(", &new(of), b"(", class, b"t}", &text("a"), b"K\x01sNtb)R"].concat()
    };
    assert_eq!(judged(&keywords(&mine, &mine)), Verdict::Unknown);
    // the method of a class makes what derives from it, which stands beside it
    let (base, derived) = ("scipy.stats._stats_py PearsonRResultBase", "scipy.stats._stats_py PearsonRResult");
    assert_eq!(judged(&keywords(&global(base), &global(derived))), Verdict::Ok);
    finds(&stream(&[&keywords(&global(base), &global("os getpid"))]), &rules::MISUSED);
    finds(&stream(&[&keywords(&global(base), &global("scipy.stats._stats_py pearsonr"))]), &rules::MISUSED);
    let other = global("collections OrderedDict");
    finds(&stream(&[&keywords(&mine, &other)]), &rules::MISUSED);
    finds(&stream(&[&new(&mine), &mine, b"\x85R"]), &rules::HIDDEN_CALLABLE);
    assert_eq!(judged(&new(&global("os system"))), Verdict::Bad);
}
