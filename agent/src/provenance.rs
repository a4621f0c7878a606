//! Whether a plant is behind the events, or something that only acts as one.

/// Whether a plant is behind the events. The process says so, never the configuration: what is true of a plant cannot be
/// forgotten in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provenance {
    /// The machines are real.
    Plant,
    /// Something acts as the machines, and each event says so.
    Simulation,
}

impl Provenance {
    /// Adds what an event says of it to the members of its metadata.
    pub(crate) fn mark(self, metadata: &mut Vec<u8>) {
        match self {
            Provenance::Plant => {}
            Provenance::Simulation => {
                if !metadata.is_empty() {
                    metadata.push(b',');
                }
                metadata.extend_from_slice(br#""simulated":true"#);
            }
        }
    }
}
