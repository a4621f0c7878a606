//! Answers that go on for as long as somebody reads them.

use std::io;

use plantlink_config::NamePattern;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::OwnedWriteHalf;

use super::tail::{News, Tail, TailError, Tailing};
use crate::aside::aside;
use crate::chain::chain;
use crate::status::Reporter;
use crate::store::Store;
use crate::tap::Tap;

/// What can be followed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Follow {
    /// Events, as they are recorded.
    Events(Tail),
    /// What the sources bring, as the lines of a recording.
    Readings {
        /// Of this device or MQTT source alone, with `*` for any text.
        device: Option<String>,
    },
}

impl Follow {
    /// Writes what comes, until the agent ends or nobody reads any more. An object with `skipped` says that so many are left
    /// out, one with `error` that it ends.
    pub(super) async fn serve(
        self,
        reporter: &Reporter,
        store: &Store,
        tap: &Tap,
        write: &mut OwnedWriteHalf,
    ) -> io::Result<()> {
        match self {
            Follow::Events(tail) => events(tail, reporter, store, write).await,
            Follow::Readings { device } => readings(device, tap, write).await,
        }
    }
}

async fn events(tail: Tail, reporter: &Reporter, store: &Store, write: &mut OwnedWriteHalf) -> io::Result<()> {
    let mut levels = store.levels();
    let seen = levels.borrow_and_update().clone();
    let (reader, site) = (reporter.reader(), reporter.site());
    let begun = aside(move || Tailing::begin(&tail, reader?, site, &seen)).await;
    let (mut tailing, news) = match begun {
        Ok(begun) => begun,
        Err(error) => return refuse(&error, write).await,
    };
    tell(&news, write).await?;
    let mut more = false;
    // The buffer's writer is there as long as the agent.
    while more || levels.changed().await.is_ok() {
        let seen = levels.borrow_and_update().clone();
        let (back, news) = aside(move || {
            let news = tailing.news(&seen);
            (tailing, news)
        })
        .await;
        tailing = back;
        match news {
            Ok(news) => {
                tell(&news, write).await?;
                more = news.more;
            }
            Err(error) => return refuse(&error, write).await,
        }
    }
    Ok(())
}

async fn readings(device: Option<String>, tap: &Tap, write: &mut OwnedWriteHalf) -> io::Result<()> {
    let of = match device {
        None => None,
        Some(device) => match NamePattern::new(&device) {
            Some(pattern) => Some(pattern),
            None => return refuse(&TailError::Device(device), write).await,
        },
    };
    let mut watch = tap.watch(of);
    while let Some(seen) = watch.next().await {
        if seen.skipped > 0 {
            write.write_all(format!("{}\n", json!({ "skipped": seen.skipped })).as_bytes()).await?;
        }
        write.write_all(seen.line.as_bytes()).await?;
        write.write_all(b"\n").await?;
    }
    Ok(())
}

async fn tell(news: &News, write: &mut OwnedWriteHalf) -> io::Result<()> {
    let mut lines = Vec::new();
    if news.skipped > 0 {
        lines.extend_from_slice(format!("{}\n", json!({ "skipped": news.skipped })).as_bytes());
    }
    for envelope in &news.envelopes {
        lines.extend_from_slice(envelope);
        lines.push(b'\n');
    }
    write.write_all(&lines).await
}

async fn refuse(error: &TailError, write: &mut OwnedWriteHalf) -> io::Result<()> {
    write.write_all(format!("{}\n", json!({ "error": chain(error) })).as_bytes()).await
}
