//! The nearest spelling of what was probably meant.

/// The candidate that differs least, if one is near enough: one letter wrong, missing, too many or changed with its
/// neighbor, and one more for every four letters. Something has to be the same.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    let allowed = 1 + length / 4;
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed && *distance < length)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_spelling_is_suggested() {
        let keys = ["topic", "timeout", "name", "ABCD"];
        for (word, expected) in [
            ("topik", Some("topic")),
            ("tpoic", Some("topic")),
            ("time_out", Some("timeout")),
            ("abcd", Some("ABCD")),
            ("nme", Some("name")),
            ("stop_bits", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, keys), expected, "{word}");
        }
    }
}
