//! Work that blocks, such as reading the disk: it takes its time elsewhere than on the runtime's threads.

/// Waits for work that blocks; what makes it panic goes on here.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
