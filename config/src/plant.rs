//! Which plant this is, and which gateway in it.

use std::{fs, io};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::name::Name;
use crate::path::Path;
use crate::report::code;
use crate::template::{Part, Reference};

/// Which plant this is, and which gateway in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Plant {
    /// The plant; part of every event's source and id.
    pub id: Name,
    /// This machine, `{hostname}` and `{machine-id}` already resolved.
    pub gateway: Name,
}

impl Plant {
    /// The client id of the heartbeat's own connection at a broker.
    pub fn heartbeat_client_id(&self) -> String {
        format!("{}.{}.heartbeat", self.id, self.gateway)
    }
}

/// Which plant this is, and which gateway in it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlantTable {
    /// The plant; part of every event's source and id.
    #[schemars(required)]
    id: Option<String>,
    /// This machine: a name, or `{hostname}` or `{machine-id}`, also with text around it.
    #[schemars(required)]
    gateway: Option<String>,
}

impl PlantTable {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<Plant> {
        let id = check.name(self.id.as_ref(), &at.key("id"));
        let gateway = self.gateway.as_ref().and_then(|text| gateway(text, &at.key("gateway"), check));
        Some(Plant { id: id?, gateway: gateway? })
    }
}

fn gateway(text: &str, at: &Path, check: &mut Check<'_>) -> Option<Name> {
    let template = check.template(text, at)?;
    let mut resolved = String::new();
    for part in template.parts {
        match part {
            Part::Text(text) => resolved.push_str(&text),
            Part::Look { up: Reference::Name(name), format: None } if FACTS.iter().any(|(known, _)| *known == name) => {
                match fact(&name) {
                    Ok(value) => resolved.push_str(&value),
                    Err(error) => {
                        check.report.error(code::UNREADABLE, at, format!("cannot tell {{{name}}}: {error}"));
                        return None;
                    }
                }
            }
            Part::Look { .. } => {
                let message =
                    format!("`{text}` names something else than this machine (allowed: {{hostname}}, {{machine-id}})");
                check.report.error(code::BAD_VALUE, at, message);
                return None;
            }
        }
    }
    let name = Name::new(&resolved);
    if name.is_none() {
        let message = format!("`{resolved}` is not a name (allowed: letters a to z and A to Z, digits, `_` and `-`)");
        let found = check.report.error(code::BAD_VALUE, at, message);
        if *text != resolved {
            found.help(format!("that is what {text} is on this machine; write a name instead"));
        }
    }
    name
}

/// What a machine knows of itself, and the file that says it.
const FACTS: [(&str, &str); 2] = [("hostname", "/proc/sys/kernel/hostname"), ("machine-id", "/etc/machine-id")];

fn fact(name: &str) -> io::Result<String> {
    let (_, file) = FACTS.iter().find(|(known, _)| *known == name).ok_or(io::ErrorKind::NotFound)?;
    let value = fs::read_to_string(file).map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))?;
    Ok(value.trim().to_owned())
}
