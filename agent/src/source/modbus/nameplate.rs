//! The nameplate of a device: what it says of itself (function 43/14, Read Device Identification, section 6.21 of the
//! MODBUS Application Protocol Specification V1.1b3).

use tokio_modbus::prelude::{DeviceIdObject, ReadCode, Response};

use super::connection::{Connection, Failure};
use super::decode;
use super::exchange::Query;
use crate::reading::Fault;

/// A lost answer is asked for once more.
const RETRIES: u8 = 1;
/// The names of the basic objects and of the regular ones, in the order of their ids.
const NAMES: [&str; 7] =
    ["vendor_name", "product_code", "revision", "vendor_url", "product_name", "model_name", "application_name"];

/// One thing that a device says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inscription {
    pub(crate) id: u8,
    pub(crate) text: String,
}

impl Inscription {
    /// What the specification calls it; `None` for what is the maker's own.
    pub(crate) fn name(&self) -> Option<&'static str> {
        NAMES.get(usize::from(self.id)).copied()
    }
}

/// Asks for the objects of a category from an id on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ask {
    category: Category,
    from: u8,
}

/// The basic objects every device has that knows the function; the regular ones include them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Category {
    Basic,
    Regular,
}

/// As much as one answer holds.
#[derive(Debug)]
struct Page {
    inscriptions: Vec<Inscription>,
    /// Where the next one begins.
    next: Option<u8>,
}

impl Query for Ask {
    type Answer = Page;

    fn to_request(&self) -> tokio_modbus::Request<'static> {
        let code = match self.category {
            Category::Basic => ReadCode::Basic,
            Category::Regular => ReadCode::Regular,
        };
        tokio_modbus::Request::ReadDeviceIdentification(code, self.from)
    }

    fn fitting(&self, response: Response) -> Option<Page> {
        let Response::ReadDeviceIdentification(response) = response else { return None };
        let read = |object: DeviceIdObject| Inscription {
            id: object.id,
            text: decode::characters(object.value).replace(char::is_control, " "),
        };
        Some(Page {
            inscriptions: response.device_id_objects.into_iter().map(read).collect(),
            next: response.more_follows.then_some(response.next_object_id),
        })
    }
}

/// Reads all that a unit says of itself, in the order in which it says it.
pub(crate) async fn nameplate(connection: &mut Connection, unit: u8) -> Result<Vec<Inscription>, Failure> {
    whole(&mut Unit { connection, unit }).await
}

/// Whoever answers page by page.
trait Pages: Send {
    fn page(&mut self, ask: Ask) -> impl Future<Output = Result<Page, Failure>> + Send;
}

struct Unit<'a> {
    connection: &'a mut Connection,
    unit: u8,
}

impl Pages for Unit<'_> {
    async fn page(&mut self, ask: Ask) -> Result<Page, Failure> {
        self.connection.read(self.unit, &ask, RETRIES).await
    }
}

async fn whole(device: &mut impl Pages) -> Result<Vec<Inscription>, Failure> {
    match pages(Category::Regular, device).await {
        // It should have answered with the basic ones: not every device knows that.
        Err(Failure::Refused(Fault::Exception(2..=4))) => pages(Category::Basic, device).await,
        answered => answered,
    }
}

async fn pages(category: Category, device: &mut impl Pages) -> Result<Vec<Inscription>, Failure> {
    let mut inscriptions = Vec::new();
    let mut from = 0;
    loop {
        let page = device.page(Ask { category, from }).await?;
        inscriptions.extend(page.inscriptions);
        match page.next {
            // A device that points back would go on for ever.
            Some(next) if next > from => from = next,
            Some(_) | None => return Ok(inscriptions),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(ids: &[u8], next: Option<u8>) -> Page {
        let inscriptions = ids.iter().map(|&id| Inscription { id, text: format!("text {id}") }).collect();
        Page { inscriptions, next }
    }

    /// A device that answers as a test says.
    struct Scripted<F> {
        script: F,
        asked: Vec<Ask>,
    }

    impl<F: Fn(Ask) -> Result<Page, Failure> + Send> Pages for Scripted<F> {
        async fn page(&mut self, ask: Ask) -> Result<Page, Failure> {
            self.asked.push(ask);
            (self.script)(ask)
        }
    }

    async fn ids(script: impl Fn(Ask) -> Result<Page, Failure> + Send) -> (Vec<u8>, Vec<Ask>) {
        let mut device = Scripted { script, asked: Vec::new() };
        let ids = whole(&mut device).await.unwrap().iter().map(|inscription| inscription.id).collect();
        (ids, device.asked)
    }

    fn regular(from: u8) -> Ask {
        Ask { category: Category::Regular, from }
    }

    #[tokio::test]
    async fn a_nameplate_that_fills_more_than_one_answer_is_read_whole() {
        let (ids, asked) = ids(|ask| {
            Ok(match ask.from {
                0 => page(&[0, 1], Some(2)),
                2 => page(&[2], Some(5)),
                _ => page(&[5], None),
            })
        })
        .await;
        assert_eq!((ids, asked), (vec![0, 1, 2, 5], vec![regular(0), regular(2), regular(5)]));
    }

    #[tokio::test]
    async fn a_device_that_points_back_is_not_asked_for_ever() {
        let (ids, asked) = ids(|ask| Ok(page(&[ask.from], Some(1)))).await;
        assert_eq!((ids, asked), (vec![0, 1], vec![regular(0), regular(1)]));
    }

    #[tokio::test]
    async fn a_device_that_refuses_the_regular_objects_is_asked_for_the_basic_ones() {
        let (ids, asked) = ids(|ask| match ask.category {
            Category::Regular => Err(Failure::Refused(Fault::Exception(3))),
            Category::Basic => Ok(page(&[0, 1, 2], None)),
        })
        .await;
        assert_eq!((ids, asked), (vec![0, 1, 2], vec![regular(0), Ask { category: Category::Basic, from: 0 }]));
    }

    #[tokio::test]
    async fn a_device_that_does_not_know_the_function_is_asked_once() {
        let mut device = Scripted { script: |_| Err(Failure::Refused(Fault::Exception(1))), asked: Vec::new() };
        assert!(matches!(whole(&mut device).await, Err(Failure::Refused(Fault::Exception(1)))));
        assert_eq!(device.asked, [regular(0)]);
    }

    #[test]
    fn what_a_device_says_cannot_steer_a_terminal() {
        use tokio_modbus::prelude::{ConformityLevel, ReadDeviceIdentificationResponse};
        let response = Response::ReadDeviceIdentification(ReadDeviceIdentificationResponse {
            read_code: ReadCode::Regular,
            conformity_level: ConformityLevel::RegularIdentification,
            more_follows: false,
            next_object_id: 0,
            device_id_objects: vec![DeviceIdObject { id: 0, value: b"M\xFCller\x1b[2J\0\0".as_slice().into() }],
        });
        let page = regular(0).fitting(response).unwrap();
        assert_eq!(page.inscriptions, [Inscription { id: 0, text: "Müller [2J".to_owned() }]);
    }
}
