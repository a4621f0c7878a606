//! Asking a device what it is: with its first scan, after every silence, and slowly again.

use std::time::Duration;

use plantlink_config::Identity;
use tokio::time::Instant;

use super::connection::{Connection, Failure};
use super::decode;
use super::exchange::Answer;
use super::plan::Request;
use crate::reading::{Fault, Quality, Value};
use crate::source;

/// A firmware that is changed without a silence in between is noticed within this time.
const EVERY: Duration = Duration::from_secs(60);

/// What is asked, what is expected, and when it is time to ask again.
pub(crate) struct Identification {
    identity: Identity,
    request: Request,
    /// No question before this; `None`: with the next scan.
    rest_until: Option<Instant>,
}

impl Identification {
    pub(crate) fn new(identity: Identity) -> Self {
        let tag = &identity.tag;
        let request = Request { table: tag.at.table, first: tag.at.wire, count: decode::width(tag), tags: vec![0] };
        Identification { identity, request, rest_until: None }
    }

    /// What was answered does not count any more.
    pub(crate) fn expire(&mut self) {
        self.rest_until = None;
    }

    /// Asks once, if it is time. A device that says nothing of itself now is asked with its next scan.
    pub(crate) async fn read(&mut self, unit: u8, connection: &mut Connection) -> Option<source::Identity> {
        if self.rest_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let identity = match connection.read(unit, &self.request, 0).await {
            Ok(Answer::Words(words)) => self.judged(decode::words(&self.identity.tag, &words))?,
            // The device has nothing at this place: it is no device that the tags were written for.
            Err(Failure::Refused(Fault::Exception(1..=3))) => source::Identity::new(None, &self.identity),
            Ok(Answer::Bits(_)) | Err(Failure::Refused(_) | Failure::Silent(_)) => return None,
        };
        self.rest_until = Some(Instant::now() + EVERY);
        Some(identity)
    }

    fn judged(&self, read: Quality<Value>) -> Option<source::Identity> {
        let Quality::Good(found) = read else { return None };
        Some(source::Identity::new(Some(found), &self.identity))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU16, Ordering};

    use plantlink_config::{Expected, Table, TagType};

    use super::super::fake::{self, Fake, Reply};
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn identification(kind: TagType, expect: Vec<Expected>) -> Identification {
        Identification::new(Identity { tag: fake::tag(Table::Input, 7, kind), expect })
    }

    fn number(found: u64, expected: bool) -> Option<source::Identity> {
        Some(source::Identity { found: Some(Value::Unsigned(found)), expected })
    }

    #[tokio::test]
    async fn a_device_is_asked_what_it_is_at_first_and_again_when_that_may_have_changed() {
        let shown = Arc::new(AtomicU16::new(412));
        let answered = shown.clone();
        let fake = Fake::start(move |_| Reply::Words(vec![answered.load(Ordering::Relaxed)])).await;
        let mut connection = Connection::new(fake.address(), LIMIT, Duration::ZERO);
        let mut identification = identification(TagType::U16, vec![Expected::Number(411), Expected::Number(412)]);
        assert_eq!(identification.read(9, &mut connection).await, number(412, true));
        shown.store(500, Ordering::Relaxed);
        assert_eq!(identification.read(9, &mut connection).await, None, "it was asked a moment ago");
        identification.expire();
        assert_eq!(identification.read(9, &mut connection).await, number(500, false));
        let asked: Vec<_> = fake.asked().iter().map(|asked| (asked.unit, asked.function, asked.first)).collect();
        assert_eq!(asked, [(9, 4, 7); 2]);
    }

    #[tokio::test]
    async fn a_device_without_the_register_is_another_one_and_a_busy_one_is_asked_again() {
        for (code, expected) in [(2, Some(source::Identity { found: None, expected: false })), (6, None)] {
            let fake = Fake::start(move |_| Reply::Exception(code)).await;
            let mut connection = Connection::new(fake.address(), LIMIT, Duration::ZERO);
            let mut identification = identification(TagType::U16, vec![Expected::Number(412)]);
            assert_eq!(identification.read(9, &mut connection).await, expected);
            identification.read(9, &mut connection).await;
            assert_eq!(fake.asked().len(), if expected.is_some() { 1 } else { 2 });
        }
    }

    #[tokio::test]
    async fn an_identity_may_be_a_text() {
        let fake = Fake::start(|_| Reply::Words(vec![0x5632, 0x2E31])).await;
        let mut connection = Connection::new(fake.address(), LIMIT, Duration::ZERO);
        let expect = vec![Expected::Text("V2.1".to_owned())];
        let read = identification(TagType::Text { bytes: 4 }, expect).read(9, &mut connection).await;
        assert_eq!(read, Some(source::Identity { found: Some(Value::Text("V2.1".into())), expected: true }));
    }
}
