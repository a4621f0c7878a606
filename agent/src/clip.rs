//! Texts from outside, cut to what a person reads: a reason never carries a whole payload with it.

/// The most bytes of a reason in a status, a heartbeat, a log or a dead letter.
const BYTES_MAX: usize = 400;

/// The text, or its beginning where it is too long.
pub(crate) fn clip(mut text: String) -> String {
    if text.len() > BYTES_MAX {
        let end = (0..=BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str(" ...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_its_beginning_and_no_character_is_cut() {
        assert_eq!(clip("short".into()), "short");
        let clipped = clip("\u{00fc}".repeat(1_000));
        assert!(clipped.len() <= BYTES_MAX + 4 && clipped.ends_with("\u{00fc} ..."), "{clipped}");
    }
}
