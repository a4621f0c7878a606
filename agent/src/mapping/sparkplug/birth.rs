//! A birth certificate: which metrics a node or a device has, and what stands for them.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::source::sparkplug::{DataType, Metric, Payload};

/// A metric as a birth certificate names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Announced {
    pub(super) name: String,
    alias: Option<u64>,
    datatype: u32,
}

/// What a birth certificate names.
#[derive(Debug, Clone, Default)]
pub(super) struct Birth {
    announced: Vec<Announced>,
    by_name: HashMap<String, usize>,
    by_alias: HashMap<u64, usize>,
}

impl Announced {
    /// `None`: a type that holds something else than one plain value.
    pub(super) fn datatype(&self) -> Option<DataType> {
        DataType::of(self.datatype)
    }
}

impl Birth {
    pub(super) fn new(announced: Vec<Announced>) -> Self {
        let places = || announced.iter().enumerate();
        Birth {
            by_name: places().map(|(place, metric)| (metric.name.clone(), place)).collect(),
            by_alias: places().filter_map(|(place, metric)| Some((metric.alias?, place))).collect(),
            announced,
        }
    }

    /// What a certificate says. Every metric of it has a name (6.4.15).
    pub(super) fn read(payload: &Payload) -> Result<Self, String> {
        let mut announced: Vec<Announced> = Vec::with_capacity(payload.metrics.len());
        for metric in &payload.metrics {
            let Some(name) = &metric.name else {
                return Err("the birth certificate has a metric without a name".into());
            };
            let datatype = metric.datatype.unwrap_or_default();
            announced.push(Announced { name: name.clone(), alias: metric.alias, datatype });
        }
        Ok(Birth::new(announced))
    }

    pub(super) fn announced(&self) -> &[Announced] {
        &self.announced
    }

    /// The place of a metric; the error names one that no certificate has named.
    pub(super) fn place(&self, metric: &Metric) -> Result<usize, String> {
        match (metric.name.as_ref().filter(|name| !name.is_empty()), metric.alias) {
            (Some(name), _) => self
                .by_name
                .get(name)
                .copied()
                .ok_or_else(|| format!("no birth certificate has named the metric `{name}`")),
            (None, Some(alias)) => self
                .by_alias
                .get(&alias)
                .copied()
                .ok_or_else(|| format!("no birth certificate has named the alias {alias}")),
            (None, None) => Err("a metric has neither a name nor an alias".to_owned()),
        }
    }
}
