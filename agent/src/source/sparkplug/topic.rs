//! Topics: `spBv1.0/group/verb/node` and `spBv1.0/group/verb/node/device` (4.1).

/// The first level of every topic.
pub(super) const NAMESPACE: &str = "spBv1.0";

/// An edge node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId {
    pub(crate) group: String,
    pub(crate) node: String,
}

/// What a message says, and of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic<'a> {
    pub(crate) group: &'a str,
    pub(crate) node: &'a str,
    /// `None`: of the node itself.
    pub(crate) device: Option<&'a str>,
    pub(crate) verb: Verb,
}

/// What nodes publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Birth,
    Data,
    Death,
}

impl<'a> Topic<'a> {
    /// `None`: nothing that a node publishes.
    pub(crate) fn parse(topic: &'a str) -> Option<Self> {
        let mut levels = topic.strip_prefix(NAMESPACE)?.strip_prefix('/')?.split('/');
        let (group, word, node) = (levels.next()?, levels.next()?, levels.next()?);
        let device = levels.next();
        let (verb, is_device) = match word {
            "NBIRTH" => (Verb::Birth, false),
            "NDATA" => (Verb::Data, false),
            "NDEATH" => (Verb::Death, false),
            "DBIRTH" => (Verb::Birth, true),
            "DDATA" => (Verb::Data, true),
            "DDEATH" => (Verb::Death, true),
            _ => return None,
        };
        let fits = levels.next().is_none() && device.is_some() == is_device;
        fits.then_some(Topic { group, node, device, verb })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nodes_publish_is_taken() {
        let (group, node) = ("g", "n");
        for (topic, expected) in [
            ("spBv1.0/g/NBIRTH/n", Some(Topic { group, node, device: None, verb: Verb::Birth })),
            ("spBv1.0/g/DDATA/n/d", Some(Topic { group, node, device: Some("d"), verb: Verb::Data })),
            ("spBv1.0/g/DDEATH/n/d", Some(Topic { group, node, device: Some("d"), verb: Verb::Death })),
            ("spBv1.0/g/NCMD/n", None),
            ("spBv1.0/g/DDATA/n", None),
            ("spBv1.0/g/NDATA/n/d", None),
            ("spBv1.0/g/DDATA/n/d/e", None),
            ("spBv1.0/STATE/scada", None),
            ("spBv1.00/g/NBIRTH/n", None),
            ("spBv1.0", None),
        ] {
            assert_eq!(Topic::parse(topic), expected, "{topic}");
        }
    }
}
