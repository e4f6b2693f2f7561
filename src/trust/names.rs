//! Names in certificates: distinguished names as text (RFC 4514), and alternative names.

use super::der::{Der, OID, SEQUENCE, SET, context};

/// Attribute types that have a short name (RFC 4514, section 3, and the usual e-mail address).
const SHORT: [(&[u8], &str); 8] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "emailAddress"),
];

/// A distinguished name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Name {
    /// As RFC 4514 writes it, the last part first: `CN=x,O=y`.
    pub(super) text: String,
    /// The common name, if there is exactly one.
    pub(super) common: Option<String>,
}

/// Reads the content of a Name. Values that are no text are shown in hex.
pub(super) fn name(content: &[u8]) -> Option<Name> {
    let mut parts = Vec::new();
    let mut commons = Vec::new();
    let mut rest = Der(content);
    while !rest.is_empty() {
        let mut set = Der(rest.take(SET)?);
        let mut pairs = Vec::new();
        while !set.is_empty() {
            let mut pair = Der(set.take(SEQUENCE)?);
            let oid = pair.take(OID)?;
            let (tag, value, _) = pair.any()?;
            pair.end()?;
            let value = text(tag, value);
            let kind = SHORT.iter().find(|(known, _)| *known == oid).map(|(_, short)| (*short).to_owned());
            let kind = kind.unwrap_or_else(|| format!("OID.{}", data_encoding::HEXLOWER.encode(oid)));
            if kind == "CN" {
                commons.push(value.clone());
            }
            pairs.push(format!("{kind}={}", escaped(&value)));
        }
        if pairs.is_empty() {
            return None;
        }
        parts.push(pairs.join("+"));
    }
    parts.reverse();
    let common = if commons.len() == 1 { commons.pop() } else { None };
    Some(Name { text: parts.join(","), common })
}

/// UTF8String, PrintableString and IA5String; others in hex.
fn text(tag: u8, value: &[u8]) -> String {
    let readable = matches!(tag, 0x0c | 0x13 | 0x16) && (tag == 0x0c || value.is_ascii());
    match std::str::from_utf8(value) {
        Ok(text) if readable => text.to_owned(),
        _ => format!("#{}", data_encoding::HEXLOWER.encode(value)),
    }
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for (at, char) in value.char_indices() {
        let edge = (at == 0 && matches!(char, ' ' | '#')) || (char == ' ' && at.saturating_add(1) == value.len());
        if edge || matches!(char, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=') {
            text.push('\\');
        }
        text.push(char);
    }
    text
}

/// E-mail addresses, DNS names and URIs of a SubjectAltName.
pub(super) fn alternatives(content: &[u8]) -> Option<Vec<String>> {
    let mut names = Der(super::der::only(content, SEQUENCE)?);
    let mut found = Vec::new();
    while !names.is_empty() {
        let (tag, value, _) = names.any()?;
        match tag {
            // rfc822Name, dNSName, uniformResourceIdentifier: IA5String
            0x81 | 0x82 | 0x86 => {
                found.push(std::str::from_utf8(value).ok().filter(|text| text.is_ascii())?.to_owned())
            }
            // otherName, x400Address, directoryName, ediPartyName, iPAddress, registeredID
            0x87 | 0x88 => {}
            _ if [context(0), context(3), context(4), context(5)].contains(&tag) => {}
            _ => return None,
        }
    }
    Some(found)
}
