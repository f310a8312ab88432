//! Rows of an image in a file that rank 0 sees, too: a rank reads those of its bands itself.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock, Weak};

use crate::buffers::Buffers;
use crate::error::BugError;
use crate::hash::{GroupHashes, groups_within};
use crate::image_file::PlainRows;
use crate::transport::message::{BandHeader, FileSeen, InputPlace};

/// A file that is open from the first band that is read of it until none is left.
#[derive(Debug)]
pub(crate) struct SharedRows {
    place: InputPlace,
    /// None: it is not there as rank 0 saw it.
    file: OnceLock<Option<File>>,
}

impl SharedRows {
    fn new(place: InputPlace) -> Self {
        Self { place, file: OnceLock::new() }
    }

    /// The places of the rows, which are those of a picture of this shape: columns, rows, channels.
    ///
    /// # Errors
    /// When the file has not so many bytes.
    pub(super) fn places(&self, shape: (usize, usize, usize)) -> Result<PlainRows, BugError> {
        let what = "its rows are not in the file that it names";
        PlainRows::new(self.place.rows_from, shape, self.place.seen.bytes)
            .ok_or(BugError::Message { from: 0, what })
    }

    /// The input rows of a band, and the hashes of the groups that begin in its own. None: the file is
    /// not what rank 0 saw, or cannot be read. Why, rank 0 finds out and tells.
    pub(super) fn read(
        &self,
        rows: &PlainRows,
        band: &BandHeader,
        buffers: &Buffers,
    ) -> Option<(Vec<u8>, GroupHashes)> {
        let file = self.file.get_or_init(|| self.open().ok().flatten()).as_ref()?;
        let (place, groups) =
            (rows.place(&band.input_rows), groups_within(&rows.share(&band.rows)));
        let mut pixels = buffers.take(usize::try_from(place.end - place.start).ok()?);
        let read = || {
            file.read_exact_at(&mut pixels, place.start)?;
            let held = (place.start, &pixels[..]);
            let groups = GroupHashes::read((file, self.place.seen.bytes), groups, held)?;
            // It may have changed meanwhile.
            Ok::<_, io::Error>(self.is_as_seen(file)?.then_some(groups))
        };
        let groups = read().ok().flatten()?;
        Some((pixels, groups))
    }

    fn open(&self) -> io::Result<Option<File>> {
        let file = File::open(&self.place.path)?;
        Ok(self.is_as_seen(&file)?.then_some(file))
    }

    fn is_as_seen(&self, file: &File) -> io::Result<bool> {
        Ok(FileSeen::of(&file.metadata()?) == self.place.seen)
    }
}

/// The file that bands came from last.
#[derive(Debug, Default)]
pub(crate) struct LastRows(Weak<SharedRows>);

impl LastRows {
    /// The file at `place`, open already if bands of it wait or are in hand.
    pub(super) fn at(&mut self, place: &InputPlace) -> Arc<SharedRows> {
        if let Some(same) = self.0.upgrade().filter(|rows| rows.place == *place) {
            return same;
        }
        let rows = Arc::new(SharedRows::new(place.clone()));
        self.0 = Arc::downgrade(&rows);
        rows
    }
}
