//! What is said of a name that nothing has: which of the known ones was probably meant, or which there are.

use plantlink_config::nearest;

/// So many names are listed where none is near.
const NAMED_MAX: usize = 12;

/// The words that stand in parentheses behind an unknown name.
pub(crate) fn unknown<'a>(said: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.collect();
    match nearest(said, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "there are none".to_owned(),
        None => {
            let more = known.len().saturating_sub(NAMED_MAX);
            known.truncate(NAMED_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("there are: {}{more}", known.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_told_or_the_first_dozen_of_them() {
        let known = || ["press-12", "meter"].into_iter();
        assert_eq!(unknown("press12", known()), "did you mean `press-12`?");
        assert_eq!(unknown("robot", known()), "there are: press-12, meter");
        assert_eq!(unknown("robot", std::iter::empty()), "there are none");
        let many: Vec<String> = (0..14).map(|number| format!("station{number}")).collect();
        let told = unknown("robot", many.iter().map(String::as_str));
        assert!(told.ends_with("station11 and 2 more"), "{told}");
    }
}
