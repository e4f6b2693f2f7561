//! DER (X.690), as much as keys and certificates need: definite lengths, shortest form, no recursion.
//!
//! Threat: two encodings of one thing. Lengths that are not the shortest, and anything left over, are refused.

/// Tags.
pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// `[number]`, constructed.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// What is left of a DER text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Der<'a>(pub(super) &'a [u8]);

impl<'a> Der<'a> {
    /// Takes the next element: its tag, its content, and all of its bytes.
    pub(super) fn any(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let whole = self.0;
        let (&tag, rest) = whole.split_first()?;
        // tags above 30 take more than a byte; nothing here has them
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (len, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            let (bytes, rest) = rest.split_at_checked(count)?;
            if count == 0 || count > 4 || bytes.first() == Some(&0) {
                return None;
            }
            let len = bytes.iter().fold(0_usize, |len, byte| len << 8 | usize::from(*byte));
            if len < 0x80 {
                return None;
            }
            (len, rest)
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((tag, content, whole.get(..whole.len().checked_sub(rest.len())?)?))
    }
    /// Takes the next element, which must have this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let (found, content, _) = ahead.any()?;
        if found != tag {
            return None;
        }
        *self = ahead;
        Some(content)
    }
    /// The same, with tag and length.
    pub(super) fn take_whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.0;
        self.take(tag)?;
        before.get(..before.len().checked_sub(self.0.len())?)
    }
    /// True if nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// `Some` if nothing is left.
    pub(super) fn end(self) -> Option<()> {
        if self.is_empty() { Some(()) } else { None }
    }
}

/// The content of the one element that `der` is.
pub(super) fn only(der: &[u8], tag: u8) -> Option<&[u8]> {
    let mut der = Der(der);
    let content = der.take(tag)?;
    der.end().map(|()| content)
}

/// The bytes of a bit string without unused bits.
pub(super) fn bits(content: &[u8]) -> Option<&[u8]> {
    let (&unused, bytes) = content.split_first()?;
    if unused == 0 { Some(bytes) } else { None }
}

/// A BOOLEAN; DER has one spelling for each.
pub(super) fn boolean(content: &[u8]) -> Option<bool> {
    match content {
        [0xff] => Some(true),
        [0] => Some(false),
        _ => None,
    }
}

/// A small INTEGER that is not negative.
pub(super) fn small(content: &[u8]) -> Option<u32> {
    match content {
        [] => None,
        [0, next, ..] if *next < 0x80 => None,
        [first, ..] if *first >= 0x80 => None,
        _ if content.len() > 4 => None,
        _ => Some(content.iter().fold(0, |n, byte| n << 8 | u32::from(*byte))),
    }
}

/// An element with this tag and content.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len().to_be_bytes();
    let significant: Vec<u8> = len.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut der = vec![tag];
    match significant.as_slice() {
        [] => der.push(0),
        [short] if *short < 0x80 => der.push(*short),
        long => {
            der.push(0x80 | long.len() as u8);
            der.extend_from_slice(long);
        }
    }
    der.extend_from_slice(content);
    der
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_one_spelling() {
        for len in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; len];
            let der = element(OCTET_STRING, &content);
            assert_eq!(only(&der, OCTET_STRING), Some(content.as_slice()));
            assert_eq!(only(&der, SEQUENCE), None);
            assert_eq!(only(&[der.as_slice(), &[0]].concat(), OCTET_STRING), None);
            assert_eq!(only(&der[..der.len() - 1], OCTET_STRING), None);
        }
        for bad in
            [&[4, 0x81, 1, 0][..], &[4, 0x80], &[4, 0x82, 0, 1, 7], &[4, 0x85, 0, 0, 0, 0, 0], &[0x1f, 0], &[4], &[]]
        {
            assert_eq!(only(bad, OCTET_STRING), None, "{bad:?}");
        }
    }

    #[test]
    fn numbers_have_one_spelling() {
        for (content, expected) in
            [(&[0][..], Some(0)), (&[127], Some(127)), (&[0, 128], Some(128)), (&[1, 0], Some(256))]
        {
            assert_eq!(small(content), expected);
        }
        for bad in [&[][..], &[0, 1], &[128], &[1, 2, 3, 4, 5]] {
            assert_eq!(small(bad), None);
        }
        assert_eq!((boolean(&[255]), boolean(&[1])), (Some(true), None));
    }
}
