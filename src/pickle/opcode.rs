//! The 68 opcodes of protocols 0 to 5 as one table: code, name, operand, and the protocol that introduced each.

/// How the operand of an opcode is laid out after its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Nothing follows.
    Nothing,
    /// One unsigned byte.
    U1,
    /// Two bytes, little-endian, unsigned.
    U2,
    /// Four bytes, little-endian, unsigned.
    U4,
    /// Four bytes, little-endian, signed.
    I4,
    /// Eight bytes, little-endian, unsigned.
    U8,
    /// Eight bytes, a big-endian double.
    F8,
    /// A one-byte count and that many bytes.
    Counted1,
    /// A four-byte unsigned count and that many bytes.
    Counted4,
    /// A four-byte count that must not be negative, and that many bytes.
    SignedCounted4,
    /// An eight-byte count and that many bytes.
    Counted8,
    /// Text up to and including a newline.
    Line,
    /// Two lines.
    TwoLines,
}

/// One opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode {
    /// The byte in the stream.
    pub code: u8,
    /// Its name in CPython.
    pub name: &'static str,
    /// What follows it.
    pub operand: Operand,
    /// The protocol that introduced it.
    pub protocol: u8,
}

macro_rules! opcodes {
    ($($name:ident $code:literal $operand:ident $protocol:literal)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`, of protocol ", stringify!($protocol), ".")]
            pub const $name: u8 = $code;
        )*
        /// Every opcode, in order of code.
        pub static ALL: &[Opcode] = &[
            $(Opcode { code: $code, name: stringify!($name), operand: Operand::$operand, protocol: $protocol }),*
        ];
        /// What follows the opcode `code`; `None` if there is no such opcode.
        pub const fn operand(code: u8) -> Option<Operand> {
            match code {
                $($code => Some(Operand::$operand),)*
                _ => None,
            }
        }
    };
}

opcodes! {
    MARK            b'(' Nothing 0
    EMPTY_TUPLE     b')' Nothing 1
    STOP            b'.' Nothing 0
    POP             b'0' Nothing 0
    POP_MARK        b'1' Nothing 1
    DUP             b'2' Nothing 0
    BINBYTES        b'B' Counted4 3
    SHORT_BINBYTES  b'C' Counted1 3
    FLOAT           b'F' Line 0
    BINFLOAT        b'G' F8 1
    INT             b'I' Line 0
    BININT          b'J' I4 1
    BININT1         b'K' U1 1
    LONG            b'L' Line 0
    BININT2         b'M' U2 1
    NONE            b'N' Nothing 0
    PERSID          b'P' Line 0
    BINPERSID       b'Q' Nothing 1
    REDUCE          b'R' Nothing 0
    STRING          b'S' Line 0
    BINSTRING       b'T' SignedCounted4 1
    SHORT_BINSTRING b'U' Counted1 1
    UNICODE         b'V' Line 0
    BINUNICODE      b'X' Counted4 1
    EMPTY_LIST      b']' Nothing 1
    APPEND          b'a' Nothing 0
    BUILD           b'b' Nothing 0
    GLOBAL          b'c' TwoLines 0
    DICT            b'd' Nothing 0
    APPENDS         b'e' Nothing 1
    GET             b'g' Line 0
    BINGET          b'h' U1 1
    INST            b'i' TwoLines 0
    LONG_BINGET     b'j' U4 1
    LIST            b'l' Nothing 0
    OBJ             b'o' Nothing 1
    PUT             b'p' Line 0
    BINPUT          b'q' U1 1
    LONG_BINPUT     b'r' U4 1
    SETITEM         b's' Nothing 0
    TUPLE           b't' Nothing 0
    SETITEMS        b'u' Nothing 1
    EMPTY_DICT      b'}' Nothing 1
    PROTO           0x80 U1 2
    NEWOBJ          0x81 Nothing 2
    EXT1            0x82 U1 2
    EXT2            0x83 U2 2
    EXT4            0x84 I4 2
    TUPLE1          0x85 Nothing 2
    TUPLE2          0x86 Nothing 2
    TUPLE3          0x87 Nothing 2
    NEWTRUE         0x88 Nothing 2
    NEWFALSE        0x89 Nothing 2
    LONG1           0x8a Counted1 2
    LONG4           0x8b SignedCounted4 2
    SHORT_BINUNICODE 0x8c Counted1 4
    BINUNICODE8     0x8d Counted8 4
    BINBYTES8       0x8e Counted8 4
    EMPTY_SET       0x8f Nothing 4
    ADDITEMS        0x90 Nothing 4
    FROZENSET       0x91 Nothing 4
    NEWOBJ_EX       0x92 Nothing 4
    STACK_GLOBAL    0x93 Nothing 4
    MEMOIZE         0x94 Nothing 4
    FRAME           0x95 U8 4
    BYTEARRAY8      0x96 Counted8 5
    NEXT_BUFFER     0x97 Nothing 5
    READONLY_BUFFER 0x98 Nothing 5
}

/// The name of an opcode, `None` if there is no such opcode.
pub fn name(code: u8) -> Option<&'static str> {
    ALL.iter().find(|op| op.code == code).map(|op| op.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_sorted_and_agrees_with_the_lookup() {
        assert_eq!(ALL.len(), 68);
        assert!(ALL.windows(2).all(|w| w[0].code < w[1].code));
        for code in 0..=255 {
            let entry = ALL.iter().find(|op| op.code == code);
            assert_eq!(operand(code), entry.map(|op| op.operand));
            assert_eq!(name(code), entry.map(|op| op.name));
        }
        assert!(ALL.iter().all(|op| op.protocol <= 5));
    }
}
