//! When our API key ends: from what a user may see of his own keys, which is not which of them is in use.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::destination::Expiry;

/// The end of the key that is named after the gateway, else of the one that ends first. Keys without an end are left out.
pub(super) fn of(keys: &Value, gateway: &str) -> Option<Expiry> {
    let ends = |key: &Value| {
        let name = key["name"].as_str()?;
        // Odoo's times are UTC, with a space in place of the T.
        let end: DateTime = key["expiration_date"].as_str()?.parse().ok()?;
        let at_us = end.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond();
        Some(Expiry { of: format!("API key `{name}`"), at_us })
    };
    let keys = keys.as_array()?;
    let named = |key: &&Value| key["name"].as_str().is_some_and(|name| name.contains(gateway));
    let ours: Vec<&Value> = keys.iter().filter(named).collect();
    let candidates = if ours.is_empty() { keys.iter().collect() } else { ours };
    candidates.into_iter().filter_map(ends).min_by_key(|expiry| expiry.at_us)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_key_of_the_gateway_s_name_is_ours_and_otherwise_the_first_to_end() {
        let key = |name: &str, end: Value| json!({"id": 1, "name": name, "expiration_date": end});
        let laptop = || key("laptop", json!("2026-12-01 00:00:00"));
        let ours = || key("plantlink gw-1", json!("2027-01-01 12:00:00"));
        let lasting = || key("gw-1 for ever", json!(false));
        for (keys, end) in [
            (json!([laptop(), ours()]), Some(("API key `plantlink gw-1`", 1_798_804_800_000_000))),
            (json!([ours(), laptop(), lasting()]), Some(("API key `plantlink gw-1`", 1_798_804_800_000_000))),
            (
                json!([laptop(), key("tablet", json!("2027-06-01 00:00:00"))]),
                Some(("API key `laptop`", 1_796_083_200_000_000)),
            ),
            (json!([lasting(), laptop()]), None),
            (json!([]), None),
            (json!("a text"), None),
        ] {
            let found = of(&keys, "gw-1");
            assert_eq!(found.as_ref().map(|expiry| (expiry.of.as_str(), expiry.at_us)), end, "{keys}");
        }
    }
}
