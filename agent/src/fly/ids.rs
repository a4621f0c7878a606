//! Which packet ids a new flight gets.

use std::collections::HashSet;

use plantlink_buffer::next_packet_id;

/// The first of `count` ids in a row that are not taken, looked for behind `last`, round robin. `None` when there are none.
pub(super) fn first_free(taken: &HashSet<u16>, last: u16, count: usize) -> Option<u16> {
    let mut id = last;
    let mut first = next_packet_id(last);
    let mut free = 0;
    // Once around, and as far as a row may reach over the end.
    for _ in 0..usize::from(u16::MAX) + count {
        id = next_packet_id(id);
        if taken.contains(&id) {
            free = 0;
            first = next_packet_id(id);
        } else {
            free += 1;
            if free == count {
                return Some(first);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_free_ids_passes_over_those_that_are_taken_and_over_the_end() {
        let taken: HashSet<u16> = [5, 6, 65_534].into();
        let cases = [(0, 4, Some(1)), (0, 5, Some(7)), (65_530, 3, Some(65_531)), (65_530, 4, Some(65_535))];
        for (last, count, expected) in cases {
            assert_eq!(first_free(&taken, last, count), expected, "{count} behind {last}");
        }
        assert_eq!(first_free(&(1..=u16::MAX).step_by(10).collect(), 7, 10), None);
    }
}
