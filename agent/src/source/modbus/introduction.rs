//! Asking a device for its nameplate: with its first scan and after every silence.

use super::connection::{Connection, Failure};
use super::nameplate::{Inscription, nameplate};
use crate::source::Nameplate;

/// Whether a device has been asked.
#[derive(Default)]
pub(crate) struct Introduction {
    done: bool,
}

impl Introduction {
    /// What was answered does not count any more.
    pub(crate) fn expire(&mut self) {
        self.done = false;
    }

    /// Asks, if it is time.
    pub(crate) async fn read(&mut self, unit: u8, connection: &mut Connection) -> Result<Option<Nameplate>, Failure> {
        if self.done {
            return Ok(None);
        }
        let inscriptions = nameplate(connection, unit).await?;
        self.done = true;
        Ok(Some(understood(&inscriptions)))
    }
}

/// What others understand of it. A maker's names come in several objects, the one that says most first; a serial number is
/// in none of those that all makers share.
fn understood(inscriptions: &[Inscription]) -> Nameplate {
    let first = |names: &[&str]| {
        let named = |name: &&str| inscriptions.iter().find(|inscription| inscription.name() == Some(*name));
        let texts = names.iter().filter_map(named).map(|inscription| inscription.text.trim());
        texts.into_iter().find(|text| !text.is_empty()).map(str::to_owned)
    };
    Nameplate {
        vendor: first(&["vendor_name"]),
        model: first(&["model_name", "product_name", "product_code"]),
        firmware: first(&["revision"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(objects: &[(u8, &str)]) -> Nameplate {
        let inscription = |(id, text): &(u8, &str)| Inscription { id: *id, text: (*text).to_owned() };
        understood(&objects.iter().map(inscription).collect::<Vec<_>>())
    }

    fn nameplate(vendor: Option<&str>, model: Option<&str>, firmware: Option<&str>) -> Nameplate {
        let [vendor, model, firmware] = [vendor, model, firmware].map(|text| text.map(str::to_owned));
        Nameplate { vendor, model, firmware }
    }

    #[test]
    fn a_model_is_called_by_the_name_that_says_most() {
        let basic = [(0, "Acme"), (1, "PX-400"), (2, "V4.12")];
        assert_eq!(said(&basic), nameplate(Some("Acme"), Some("PX-400"), Some("V4.12")));
        let regular = [basic.as_slice(), &[(4, "Press 400 t"), (5, "PX")]].concat();
        assert_eq!(said(&regular), nameplate(Some("Acme"), Some("PX"), Some("V4.12")));
        let blank = [basic.as_slice(), &[(4, "Press 400 t"), (5, " ")]].concat();
        assert_eq!(said(&blank), nameplate(Some("Acme"), Some("Press 400 t"), Some("V4.12")));
        assert_eq!(said(&[(0, ""), (128, "K0710040")]), nameplate(None, None, None));
    }
}
