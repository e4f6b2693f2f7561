//! ECDSA with the nonce of RFC 6979: the same key and message give the same signature, byte by byte.
//!
//! Only signing is done here. The backend that verifies everything (`aws-lc-rs`) signs with a random nonce and takes none
//! from its caller, so these three crates do it. They compute on secrets in constant time by design and were not audited
//! by third parties; what that could cost is bounded: they see the key of the one who signs, on the machine and at the
//! moment of signing, and nothing of what others sent; and every signature is verified by the backend before it is written
//! (`super::sign`).

use super::der::{self, INTEGER, SEQUENCE};
use super::key::Curve;
use p256::ecdsa::signature::Signer;

/// Signs with the hash of the curve; DER. `scalar` is the private key, big-endian, as long as the curve's order. `None` if
/// it is no key.
pub(super) fn sign(curve: Curve, scalar: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let both = match curve {
        Curve::P256 => {
            let signature: p256::ecdsa::Signature =
                p256::ecdsa::SigningKey::from_slice(scalar).ok()?.try_sign(message).ok()?;
            signature.to_bytes().to_vec()
        }
        Curve::P384 => {
            let signature: p384::ecdsa::Signature =
                p384::ecdsa::SigningKey::from_slice(scalar).ok()?.try_sign(message).ok()?;
            signature.to_bytes().to_vec()
        }
        Curve::P521 => {
            let signature: p521::ecdsa::Signature =
                p521::ecdsa::SigningKey::from_slice(scalar).ok()?.try_sign(message).ok()?;
            signature.to_bytes().to_vec()
        }
    };
    let (r, s) = both.split_at_checked(both.len() / 2)?;
    Some(der::element(SEQUENCE, &[integer(r), integer(s)].concat()))
}

/// A positive number as DER: no leading zeros but the one that keeps it positive.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len().saturating_sub(1));
    let bytes = bytes.get(start..).unwrap_or_default();
    match bytes.first() {
        Some(first) if *first < 0x80 => der::element(INTEGER, bytes),
        _ => der::element(INTEGER, &[&[0], bytes].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXUPPER;

    /// RFC 6979, A.2.5 to A.2.7: the private key, the message, r and s.
    const VECTORS: [(Curve, &str, &str, &str, &str); 4] = [
        (
            Curve::P256,
            "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
            "sample",
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
            "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        ),
        (
            Curve::P256,
            "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
            "test",
            "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
            "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
        ),
        (
            Curve::P384,
            "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
            "sample",
            "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
            "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
        ),
        (
            Curve::P521,
            "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B83538",
            "sample",
            "C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA",
            "617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A",
        ),
    ];

    #[test]
    fn the_vectors_of_rfc_6979() {
        let bytes = |hex: &str| HEXUPPER.decode(hex.as_bytes()).unwrap();
        for (curve, key, message, r, s) in VECTORS {
            // r and s of P-521 are given without their leading zero
            let odd = |hex: &str| if hex.len() % 2 == 1 { format!("0{hex}") } else { hex.to_owned() };
            let expected = [integer(&bytes(&odd(r))), integer(&bytes(&odd(s)))].concat();
            let signature = sign(curve, &bytes(key), message.as_bytes()).unwrap();
            assert_eq!(signature, der::element(SEQUENCE, &expected), "{} {message}", curve.name());
        }
    }

    #[test]
    fn what_is_no_key_signs_nothing() {
        for curve in Curve::ALL {
            let zero = match curve {
                Curve::P256 => vec![0; 32],
                Curve::P384 => vec![0; 48],
                Curve::P521 => vec![0; 66],
            };
            assert!(sign(curve, &zero, b"x").is_none() && sign(curve, &vec![0xff; zero.len()], b"x").is_none());
        }
    }

    #[test]
    fn integers_have_one_spelling() {
        for (bytes, written) in [
            (&[0, 0, 5][..], &[2, 1, 5][..]),
            (&[0x80], &[2, 2, 0, 0x80]),
            (&[0, 0x7f, 0], &[2, 2, 0x7f, 0]),
            (&[0, 0], &[2, 1, 0]),
        ] {
            assert_eq!(integer(bytes), written);
        }
    }
}
