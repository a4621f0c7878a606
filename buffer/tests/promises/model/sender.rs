//! What is remembered of a source's messages beside their events: the sender's ids, and the receipts of a session.

use plantlink_buffer::{Ledger, Reader, ReceiptEntry, Receipts, Received, SENDERS_KEPT, SenderEntry, SourceCounts};

const SOURCE: &str = "mes";
/// So many receipts are remembered.
const RECEIPTS_KEPT: usize = 500;
/// So many messages a session has, more or less.
const SESSION_MESSAGES: u64 = 2_000;
/// An append brings no more messages than this, however many events they make.
const MESSAGES_MAX: u64 = 40;

#[derive(Debug, Clone, Default)]
pub(super) struct Sender {
    sent: u64,
    ids: Vec<SenderEntry>,
    session: u64,
    receipts: Vec<ReceiptEntry>,
}

impl Sender {
    /// The messages that some events came in.
    pub(super) fn send(&mut self, events: u64) -> Received {
        let count = events.min(MESSAGES_MAX);
        let numbers = self.sent..self.sent + count;
        self.sent += count;
        let session = self.sent / SESSION_MESSAGES;
        if session != std::mem::replace(&mut self.session, session) {
            self.receipts.clear();
        }
        let hash = |number: u64| (!number).to_be_bytes();
        let id = |number| SenderEntry { id_hash: u128::from(number).to_be_bytes(), payload_hash: hash(number) };
        let senders: Vec<SenderEntry> = numbers.clone().map(id).collect();
        let receipt = |number| ReceiptEntry { packet_id: number as u16, hash: hash(number) };
        let entries: Vec<ReceiptEntry> = numbers.map(receipt).collect();
        self.ids.extend(&senders);
        self.receipts.extend(&entries);
        let receipts = Receipts { session: self.name().into(), entries, kept: RECEIPTS_KEPT as u64 };
        let counts = SourceCounts { received: count, mapped: count, ..SourceCounts::default() };
        Received { source: SOURCE.into(), counts, senders, receipts: Some(receipts), rejected: Vec::new() }
    }

    /// Whether a ledger is one of all that was sent.
    pub(super) fn is_of(&self, ledger: &Ledger) -> bool {
        let counts = ledger.sources.get(SOURCE).copied().unwrap_or_default();
        (counts.received, counts.mapped) == (self.sent, self.sent)
    }

    pub(super) fn check(&self, reader: &Reader) {
        assert!(self.is_of(&reader.ledger().unwrap()));
        let ids = reader.senders(SOURCE).unwrap();
        assert!(self.ids.ends_with(&ids) && ids.len() >= self.ids.len().min(SENDERS_KEPT), "{} ids", ids.len());
        let receipts = reader.receipts(SOURCE, &self.name()).unwrap();
        let least = self.receipts.len().min(RECEIPTS_KEPT);
        assert!(self.receipts.ends_with(&receipts) && receipts.len() >= least, "{} receipts", receipts.len());
    }

    fn name(&self) -> String {
        format!("session {}", self.session)
    }
}
