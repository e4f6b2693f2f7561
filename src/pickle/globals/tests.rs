use super::*;

fn vetted(module: &str, name: &str) -> Vetted {
    match lookup(module, name) {
        Standing::Vetted(vetted) => vetted,
        other => panic!("{module} {name}: {other:?}"),
    }
}

#[test]
fn what_torch_writes_is_vetted() {
    assert_eq!(vetted("torch._utils", "_rebuild_tensor_v2").shape, Some("rebuild-tensor"));
    assert_eq!(vetted("torch", "FloatStorage").kind, Kind::Reference);
    assert!(vetted("collections", "OrderedDict").items);
    assert!(!vetted("numpy", "ndarray").call);
    assert!(vetted("argparse", "Namespace").call);
}

#[test]
fn what_older_libraries_wrote_is_vetted() {
    assert!(may_be_rebuilt("_loss", "CyHalfBinomialLoss") && may_be_rebuilt("_loss", "__pyx_unpickle_CyHuberLoss"));
    assert!(vetted("_loss", "CyPinballLoss").call, "scikit-learn 1.4 to 1.6 call it with its one number");
    assert_eq!(lookup("_loss", "system"), Standing::Covered);
    assert!(may_be_rebuilt("pandas.tseries.offsets", "MonthEnd"));
    assert!(may_be_rebuilt("scipy.stats.stats", "Ttest_indResult"));
    assert!(may_be_rebuilt("torch.nested._internal.nested_tensor", "_rebuild_njt"));
}

fn may_be_rebuilt(module: &str, name: &str) -> bool {
    vetted(module, name).kind != Kind::Reference
}

#[test]
fn dangerous_modules_hold_for_what_is_below_them() {
    for (module, name) in [
        ("os", "system"),
        ("os.path", "join"),
        ("torch._inductor.codecache", "compile_file"),
        ("builtins", "eval"),
        ("subprocess", "Popen"),
        ("pkgutil", "resolve_name"),
    ] {
        assert!(matches!(lookup(module, name), Standing::Dangerous(_)), "{module} {name}");
    }
}

#[test]
fn exact_pairs_outrank_their_module() {
    for (module, name) in [
        ("subprocess", "CalledProcessError"),
        // what protocols 0 to 2 make of it
        ("commands", "CalledProcessError"),
        ("sqlite3", "OperationalError"),
        ("http.client", "IncompleteRead"),
        ("os", "stat_result"),
        ("_io", "BytesIO"),
    ] {
        assert_eq!(vetted(module, name).kind, Kind::Class, "{module} {name}");
    }
}

#[test]
fn dots_and_dunders_count_only_where_listed() {
    assert_eq!(lookup("collections", "OrderedDict.__init__.__globals__"), Standing::Covered);
    assert_eq!(lookup("collections", "__builtins__"), Standing::Covered);
    assert_eq!(lookup("builtins", ""), Standing::Covered);
    assert_eq!(lookup("", ""), Standing::Unvetted);
    assert_eq!(lookup("__main__", "Net"), Standing::Unvetted);
    assert_eq!(lookup("collections", "OrderedDict Counter"), Standing::Covered, "a name is compared whole");
    assert_eq!(vetted("zoneinfo", "ZoneInfo._unpickle").kind, Kind::Function);
}

#[test]
fn shapes_are_explained_once() {
    for (at, (name, rule)) in SHAPES.iter().enumerate() {
        assert!(!rule.is_empty() && SHAPES.iter().skip(at + 1).all(|(other, _)| other != name), "{name}");
    }
}
