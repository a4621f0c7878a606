//! Where things stand in the files, for who finds something wrong only by asking the plant.

use crate::files::Files;
use crate::locations::Locations;
use crate::path::Path;
use crate::problem::Spot;

/// The files with the place of every value in them.
#[derive(Debug, Default)]
pub struct Places {
    files: Files,
    locations: Locations,
}

impl Places {
    pub(crate) fn new(files: Files, locations: Locations) -> Self {
        Self { files, locations }
    }

    /// Where a value stands. What is not in the files stands where the table does that it is missing in.
    pub fn spot(&self, at: &Path) -> Spot {
        spot(&self.files, &self.locations, at)
    }
}

/// Where a value stands, as people see it.
pub(crate) fn spot(files: &Files, locations: &Locations, at: &Path) -> Spot {
    let place = locations.value(at);
    let (line, column) = files.position(place);
    Spot { file: files.name(place.file).to_owned(), line, column, path: at.to_string() }
}
