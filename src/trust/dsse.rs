//! What is signed: the pre-authentication encoding of DSSE v1, and the broken one of model-signing v0.2.0.

/// `DSSEv1 <len> <type> <len> <payload>` (DSSE protocol 1.0).
pub(super) fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut text = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    text.extend_from_slice(payload);
    text
}

/// What v0.2.0 signed instead: `DSSEV1`, and the payload as Python shows bytes, `b'…'`.
pub(super) fn legacy_pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEV1 {} {payload_type} {} ", payload_type.len(), payload.len());
    (head + &python_bytes(payload)).into_bytes()
}

/// `repr(bytes)`: in single quotes, unless only those occur inside.
fn python_bytes(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut text = String::with_capacity(bytes.len().saturating_add(3));
    text.push('b');
    text.push(quote);
    for &byte in bytes {
        match byte {
            b'\t' => text.push_str("\\t"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\\' => text.push_str("\\\\"),
            _ if char::from(byte) == quote => text.extend(['\\', quote]),
            0x20..=0x7e => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push(quote);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_of_the_specification() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    }

    #[test]
    fn bytes_as_python_shows_them() {
        for (bytes, shown) in [
            (&b"a\"b"[..], r#"b'a"b'"#),
            (b"a'b", r#"b"a'b""#),
            (b"a'\"", r#"b'a\'"'"#),
            (b"\t\n\r\\\0\x7f\xff", r"b'\t\n\r\\\x00\x7f\xff'"),
        ] {
            assert_eq!(python_bytes(bytes), shown);
        }
        assert_eq!(legacy_pae("t", b"x"), b"DSSEV1 1 t 1 b'x'");
    }
}
