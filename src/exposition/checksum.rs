//! CRC-32 of bytes that are strung together, from the CRC-32 of the pieces: appending costs the same for any length.
//!
//! A CRC is the remainder of the message, read as a polynomial over GF(2), by a fixed polynomial. Appending n bytes
//! multiplies what is there by x^(8n) and adds the remainder of what is appended; the inversions at start and end that
//! CRC-32 knows cancel out. Each piece therefore carries its own x^(8n), computed once.

/// The polynomial of gzip. Everything here is bit-reversed: the highest bit is x^0.
const POLYNOMIAL: u32 = 0xEDB8_8320;
const ONE: u32 = 1 << 31;
const X_TO_THE_8: u32 = ONE >> 8;

/// Checksum and length of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checksum {
    crc: u32,
    /// Length modulo 2^32, as gzip's trailer wants it.
    len: u32,
    /// x^(8 len) modulo the polynomial.
    shift: u32,
}

impl Checksum {
    /// Of no bytes.
    pub(super) const EMPTY: Checksum = Checksum { crc: 0, len: 0, shift: ONE };

    pub(super) fn of(bytes: &[u8]) -> Checksum {
        #[expect(clippy::cast_possible_truncation, reason = "the trailer holds the length modulo 2^32")]
        let len = bytes.len() as u32;
        Checksum { crc: crc32fast::hash(bytes), len, shift: power(X_TO_THE_8, bytes.len()) }
    }

    /// Of the bytes of `self` followed by the bytes of `next`.
    #[must_use]
    pub(super) const fn append(self, next: Checksum) -> Checksum {
        Checksum {
            crc: multiply(self.crc, next.shift) ^ next.crc,
            len: self.len.wrapping_add(next.len),
            shift: multiply(self.shift, next.shift),
        }
    }

    /// The last eight bytes of a gzip member that holds these bytes.
    pub(super) fn trailer(self) -> [u8; 8] {
        let (crc, len) = (self.crc.to_le_bytes(), self.len.to_le_bytes());
        std::array::from_fn(|i| crc.iter().chain(&len).nth(i).copied().unwrap_or_default())
    }
}

/// `a` times `b` modulo the polynomial.
const fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut term = ONE;
    while term != 0 {
        if a & term != 0 {
            product ^= b;
        }
        let overflow = b & 1 != 0;
        b >>= 1; // times x
        if overflow {
            b ^= POLYNOMIAL;
        }
        term >>= 1;
    }
    product
}

/// `base` to the power of `exponent` modulo the polynomial.
const fn power(mut base: u32, mut exponent: usize) -> u32 {
    let mut result = ONE;
    while exponent != 0 {
        if exponent & 1 != 0 {
            result = multiply(result, base);
        }
        base = multiply(base, base);
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_make_the_checksum_of_the_whole(pieces in vec(vec(any::<u8>(), 0..300), 0..12)) {
            let strung = pieces.iter().fold(Checksum::EMPTY, |sum, piece| sum.append(Checksum::of(piece)));
            let whole = pieces.concat();
            prop_assert_eq!(strung, Checksum::of(&whole));
            prop_assert_eq!(strung.crc, crc32fast::hash(&whole));
            prop_assert_eq!(strung.len as usize, whole.len());
        }

        #[test]
        fn appending_is_associative(a: Vec<u8>, b: Vec<u8>, c: Vec<u8>) {
            let [a, b, c] = [a, b, c].map(|bytes| Checksum::of(&bytes));
            prop_assert_eq!(a.append(b).append(c), a.append(b.append(c)));
        }
    }

    #[test]
    fn long_pieces_too() {
        let (a, b) = (vec![7; 3_000_001], vec![9; 1_234_567]);
        let whole: Vec<u8> = [a.as_slice(), &b].concat();
        assert_eq!(Checksum::of(&a).append(Checksum::of(&b)).crc, crc32fast::hash(&whole));
    }

    #[test]
    fn the_trailer_is_little_endian() {
        let sum = Checksum { crc: 0x0403_0201, len: 0x0807_0605, shift: ONE };
        assert_eq!(sum.trailer(), [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
