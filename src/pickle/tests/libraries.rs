//! What real libraries write in shapes of their own, and the attack beside each.

use super::*;

/// BINUNICODE.
fn text(text: &str) -> Vec<u8> {
    [&b"X"[..], &u32::try_from(text.len()).unwrap().to_le_bytes(), text.as_bytes()].concat()
}

/// `partial(class.__new__, given, …)` as protocols 2 and 3 write it, called with `args`.
fn constructed(class: &[u8], given: &[u8], args: &[u8]) -> Vec<u8> {
    let method = [b"cbuiltins\ngetattr\n", class, &text("__new__"), b"\x86Rq\x00"].concat();
    [b"\x80\x02cfunctools\npartial\n", &method[..], b"\x85R(h\x00(", given, b"K\x01t}Ntb", args, b"R."].concat()
}

#[test]
fn keywords_of_a_constructor_below_protocol_4() {
    let (counter, ordered) = (&b"ccollections\nCounter\n"[..], &b"ccollections\nOrderedDict\n"[..]);
    is_ok(&constructed(counter, counter, b")"));
    finds(&constructed(counter, ordered, b")"), &rules::MISUSED);
    finds(&constructed(counter, counter, b"K\x01\x85"), &rules::HIDDEN_CALLABLE);
    finds(&constructed(b"cos\nsystem\n", b"cos\nsystem\n", b")"), &rules::DANGEROUS_GLOBAL);
    // no other attribute of the kind, and nothing but that partial takes it
    let new = [b"\x80\x02cbuiltins\ngetattr\n", counter, &text("__new__"), b"\x86R"].concat();
    finds(&[&new[..], counter, b"\x85R."].concat(), &rules::HIDDEN_CALLABLE);
    let init = [b"\x80\x02cbuiltins\ngetattr\n", counter, &text("__init__"), b"\x86R."].concat();
    finds(&init, &rules::MISUSED);
}

#[test]
fn methods_of_plain_values() {
    let method = |object: &[u8], name| [b"\x80\x02cbuiltins\ngetattr\n", object, &text(name), b"\x86R."].concat();
    is_ok(&method(&text(" "), "join"));
    is_ok(&method(b"]", "append"));
    is_ok(&method(b"cnumpy.random._pickle\n__randomstate_ctor\n)R", "rand"));
    finds(&method(&text("{0.__class__}"), "format"), &rules::UNPROVEN_USE);
    finds(&method(&text(" "), "__class__"), &rules::MISUSED);
    let held =
        [b"\x80\x02cfunctools\npartial\ncbuiltins\ngetattr\n", &text(" ")[..], &text("join"), b"\x86R\x85R."].concat();
    is_ok(&held);
}

#[test]
fn a_mapped_array_is_rebuilt_but_never_opened() {
    is_ok(b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nmemmap\nK\x00\x85X\x01\x00\x00\x00btR.");
    let path = text("weights.npy");
    let keywords = [b"}", &text("filename")[..], &path, b"s"].concat();
    for opened in [
        [b"\x80\x02cnumpy\nmemmap\n", &path[..], b"\x85\x81."].concat(),
        [b"\x80\x04cnumpy\nmemmap\n)", &keywords[..], b"\x92."].concat(),
        [b"\x80\x02cpandas.core.indexes.base\n_new_Index\ncnumpy\nmemmap\n", &keywords[..], b"\x86R."].concat(),
        constructed(b"cnumpy\nmemmap\n", b"cnumpy\nmemmap\n", b")"),
    ] {
        finds(&opened, &rules::MISUSED);
    }
    finds(&[b"\x80\x02cnumpy\nmemmap\n", &path[..], b"\x85R."].concat(), &rules::UNVETTED_CALL);
    finds(b"\x80\x02ccollections\ndefaultdict\ncnumpy\nmemmap\n\x85R.", &rules::MISUSED);
}

#[test]
fn a_distribution_runs_the_source_of_scipy_and_no_other() {
    let own = "\ndef _parse_args(self, a,  loc=0, scale=1):\n    return (a, ), loc, scale\n\n\
               def _parse_args_rvs(self, a,  loc=0, scale=1, size=None):\n    \
               return self._argcheck_rvs(a,  loc, scale, size=size)\n\n\
               def _parse_args_stats(self, a,  loc=0, scale=1, moments='mv'):\n    return (a, ), loc, scale, moments\n";
    let filled = |pairs: &[(&str, &str)]| {
        let pairs: Vec<u8> = pairs.iter().flat_map(|(key, value)| [text(key), text(value)].concat()).collect();
        [b"\x80\x02cscipy.stats._continuous_distns\ngamma_gen\n)\x81}(", &pairs[..], b"ub."].concat()
    };
    is_ok(&filled(&[("_parse_arg_template", own), ("name", "gamma"), ("__doc__", "A gamma.")]));
    for state in [
        &[("_parse_arg_template", "print(1)")][..],
        &[("name", "gamma")],
        &[("_parse_arg_template", own), ("_attach_methods", "x")],
        &[("_parse_arg_template", own), ("__class__", "x")],
        &[("_parse_arg_template", own), ("_parse_arg_template", "print(1)")],
    ] {
        finds(&filled(state), &rules::MISUSED);
    }
    finds(b"\x80\x02cscipy.stats._continuous_distns\ngamma_gen\n)\x81]b.", &rules::MISUSED);
}

#[test]
fn records_have_their_size_in_their_state() {
    let dtype = b"cnumpy\ndtype\ncnumpy\nrecord\nI00\nI01\n\x87R(K\x03X\x01\x00\x00\x00|NX\x01\x00\x00\x00a\x85}X\x01\x00\x00\x00a\
        cnumpy\ndtype\nX\x02\x00\x00\x00i4I00\nI01\n\x87R(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\
        K\x00\x86sK\x04K\x01K\x10tb";
    let scalar = [
        b"\x80\x02cnumpy.core.multiarray\nscalar\n",
        &dtype[..],
        b"c_codecs\nencode\n",
        &text("abcd"),
        &text("latin1"),
        b"\x86R\x86R.",
    ]
    .concat();
    is_ok(&scalar);
}
