//! Waiting for a condition, with a limit.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until `check` gives a value, and gives it.
///
/// # Panics
/// When nothing came within `limit`; `what` completes the sentence "waited ... for".
pub async fn until<T>(what: &str, limit: Duration, check: impl AsyncFnMut() -> Option<T>) -> T {
    match within(limit, check).await {
        Some(value) => value,
        None => panic!("waited {} s for {what}", limit.as_secs_f32()),
    }
}

/// Looks until `check` gives a value, and gives it; nothing after `limit`.
pub async fn within<T>(limit: Duration, mut check: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        if let Some(value) = check().await {
            return Some(value);
        }
        if began.elapsed() >= limit {
            return None;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
