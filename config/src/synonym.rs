//! What manuals, other programs and the languages of IEC 61131-3 call the values that the file has words for.

use std::fmt;

use Meant::{Either, One};

/// What somebody means by another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meant {
    One(&'static str),
    /// The name says too little: two values, each with what tells it from the other.
    Either([(&'static str, &'static str); 2]),
}

/// In lower case, without what joins words. Each of the names has one meaning, whatever the key.
const SYNONYMS: [(&[&str], Meant); 30] = [
    (&["boolean", "bit", "flag", "digital", "binary", "coil"], One("bool")),
    (&["uint8", "unsigned8", "usint", "byte", "uchar"], One("u8")),
    (&["int8", "signed8", "sint8", "s8", "sint", "sbyte"], One("i8")),
    (&["uint16", "unsigned16", "word", "ushort", "unsignedshort", "acc16"], One("u16")),
    (&["int16", "signed16", "sint16", "s16", "short", "sunssf"], One("i16")),
    (&["uint32", "unsigned32", "udint", "dword", "acc32", "bitfield32"], One("u32")),
    (&["int32", "signed32", "sint32", "s32", "dint"], One("i32")),
    (&["uint64", "unsigned64", "ulint", "lword", "qword", "acc64", "bitfield64"], One("u64")),
    (&["int64", "signed64", "sint64", "s64", "lint", "longlong"], One("i64")),
    (&["float32", "real32", "real", "single"], One("f32")),
    (&["float64", "real64", "lreal", "double"], One("f64")),
    (&["text", "str", "char", "chars", "ascii", "utf8"], One("string")),
    (&["bitfield", "bitfield16", "bitmask", "bitmap", "flags"], One("bits")),
    (&["enumeration", "enum16"], One("enum")),
    // A C compiler's int has 32 bits, a controller's has 16.
    (&["int", "integer", "signed"], Either([("i16", "one register"), ("i32", "two registers")])),
    (&["uint", "unsigned"], Either([("u16", "one register"), ("u32", "two registers")])),
    (&["long"], Either([("i32", "two registers"), ("i64", "four registers")])),
    (&["ulong"], Either([("u32", "two registers"), ("u64", "four registers")])),
    (&["float"], Either([("f32", "two registers"), ("f64", "four registers")])),
    (&["bcd"], Either([("bcd16", "one register"), ("bcd32", "two registers")])),
    (&["bigendian", "big", "be", "1234"], One("ABCD")),
    (&["wordswap", "wordswapped", "swappedwords", "3412"], One("CDAB")),
    (&["byteswap", "byteswapped", "swappedbytes", "2143"], One("BADC")),
    (&["4321"], One("DCBA")),
    // Some mean the words, some the bytes too.
    (&["littleendian", "little", "le"], Either([("CDAB", "the words reversed"), ("DCBA", "all bytes reversed")])),
    (&["0based", "0", "protocol", "wire"], One("zero-based")),
    (&["1based", "1"], One("one-based")),
    (&["n", "no"], One("none")),
    (&["e"], One("even")),
    (&["o"], One("odd")),
];

/// What is meant by a word that is not allowed, where that is among the words that are.
pub(crate) fn meant(said: &str, allowed: &[String]) -> Option<Meant> {
    let said: String = said.chars().filter(|letter| !matches!(letter, ' ' | '-' | '_')).collect();
    let said = said.to_lowercase();
    let (_, meant) = SYNONYMS.iter().find(|(names, _)| names.contains(&said.as_str()))?;
    let is_allowed = |word: &str| allowed.iter().any(|allowed| allowed == word);
    let fits = match meant {
        One(word) => is_allowed(word),
        Either(words) => words.iter().all(|(word, _)| is_allowed(word)),
    };
    fits.then_some(*meant)
}

/// What to write.
impl fmt::Display for Meant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            One(word) => write!(out, "`{word}`"),
            Either([(one, of_one), (other, of_other)]) => write!(out, "`{one}` ({of_one}) or `{other}` ({of_other})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_name_has_one_meaning_and_is_found_as_it_stands_here() {
        let mut known = HashSet::new();
        for name in SYNONYMS.iter().flat_map(|(names, _)| *names) {
            assert!(known.insert(name), "{name} is there twice");
            assert!(name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit()), "{name}");
        }
    }

    #[test]
    fn a_name_counts_only_where_all_that_it_means_is_allowed() {
        let allowed = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(meant("Unsigned-16", &allowed(&["u16", "i16"])), Some(One("u16")));
        assert_eq!(meant("uint16", &allowed(&["none", "even", "odd"])), None);
        assert_eq!(meant("int", &allowed(&["i16"])), None);
    }
}
