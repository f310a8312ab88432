//! One file from the disk into memory: its header, how it is shared out, and its bytes unless it is read in bands.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::bands::FilePart;
use super::budget::{Budget, Permit};
use super::earlier::Earlier;
use crate::error::ImageError;
use crate::hash::ContentHash;
use crate::image_file::{self, Format};
use crate::journal::{Done, Identity};
use crate::ops::chain::Chain;
use crate::plan::{Cluster, Footprint, Foresight, ImageShape, Job, Share, choose};
use crate::source::Entry;
use crate::transport::message::FileSeen;

/// What all readers know.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) job: Job,
    pub(crate) chain: Chain,
    pub(crate) cluster: Cluster,
    pub(crate) budget: Arc<Budget>,
    pub(crate) entries: usize,
    /// What is expected of images, corrected by what was seen of them.
    pub(crate) foresight: Mutex<Foresight>,
    /// What earlier runs did.
    pub(crate) earlier: Earlier,
}

/// A file that is ready to be handed out.
#[derive(Debug)]
pub struct Loaded {
    pub(crate) need: Footprint,
    pub(crate) permit: Permit,
    pub(crate) shape: ImageShape,
    pub(crate) seen: FileSeen,
    pub(crate) content: Content,
    /// How long it was looked at, and perhaps hashed.
    pub(crate) time: Duration,
}

/// What was read of it.
#[derive(Debug)]
pub(crate) enum Content {
    /// Nothing: a rank takes it whole, and reads it, or gets its bytes once it is known which.
    Whole,
    /// Nothing yet: it is read in bands.
    InBands(File),
    /// Nothing: an earlier run has made its result, of the same bytes.
    DoneBefore(Box<Done>),
}

impl Reading {
    /// Looks at a file, once there is memory for it; then `goes_on` is called. Reads it if it is to be
    /// cut into bands.
    ///
    /// # Errors
    /// When it cannot be read, is no image, or is over a limit.
    pub(crate) fn load(&self, entry: &Entry, goes_on: impl FnOnce()) -> Result<Loaded, ImageError> {
        let mut file = File::open(&entry.input).map_err(ImageError::Unreadable)?;
        let shape = self.shape(entry, &file)?;
        let (share, need) = self.share(&shape)?;
        let held = match share {
            Share::Image => need.held_whole,
            Share::Bands => need.held_in_bands,
        };
        let permit = self.budget.take(held);
        goes_on();
        let began = Instant::now();
        let seen = FileSeen::of(&file.metadata().map_err(ImageError::Unreadable)?);
        let content = match (self.done_before(entry, &mut file, &seen)?, share) {
            (Some(done), _) => Content::DoneBefore(Box::new(done)),
            (None, Share::Image) => Content::Whole,
            (None, Share::Bands) => Content::InBands(file),
        };
        Ok(Loaded { need, permit, shape, seen, content, time: began.elapsed() })
    }

    /// Reads a file for a rank that does not see it; first, `goes_on` is called. None: it has changed
    /// since it was looked at.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn fetch(
        &self,
        entry: &Entry,
        seen: &FileSeen,
        goes_on: impl FnOnce(),
    ) -> Result<Option<Vec<u8>>, ImageError> {
        goes_on();
        let read = || {
            let mut file = File::open(&entry.input)?;
            let bytes = read_all(&mut file, seen.bytes)?;
            let is_same =
                bytes.len() as u64 == seen.bytes && FileSeen::of(&file.metadata()?) == *seen;
            Ok(is_same.then_some(bytes))
        };
        read().map_err(ImageError::Unreadable)
    }

    /// What an earlier run did of the same bytes, whatever the time of the file is now.
    fn done_before(
        &self,
        entry: &Entry,
        file: &mut File,
        seen: &FileSeen,
    ) -> Result<Option<Done>, ImageError> {
        let path = entry.key();
        if !self.earlier.may_know(&path, seen.bytes) {
            return Ok(None);
        }
        let hash = || {
            file.seek(SeekFrom::Start(0))?;
            ContentHash::of_all(file)
        };
        let (content, bytes) = hash().map_err(ImageError::Unreadable)?;
        let identity = Identity { path, bytes, modified_ns: seen.modified_ns, content };
        Ok(self.earlier.same_content(&identity, entry, &self.job))
    }

    /// The hash of a file in bands, as rank 0 saw it.
    ///
    /// # Errors
    /// When it cannot be read, or has changed.
    pub(crate) fn identify(file: &File, seen: &FileSeen) -> Result<ContentHash, ImageError> {
        let hash = || {
            let (content, bytes) = ContentHash::of_all(FilePart::new(file, 0..seen.bytes))?;
            let is_same = bytes == seen.bytes && FileSeen::of(&file.metadata()?) == *seen;
            Ok(is_same.then_some(content))
        };
        hash().map_err(ImageError::Unreadable)?.ok_or(ImageError::Changing)
    }

    /// The shape that a file's header tells, checked against all limits that it can be checked against.
    ///
    /// # Errors
    /// When the file is no image, is over a limit, or is not what its name says.
    pub(crate) fn shape(&self, entry: &Entry, file: &File) -> Result<ImageShape, ImageError> {
        let file_bytes = file.metadata().map_err(ImageError::Unreadable)?.len();
        self.job.work.decode.limits.check_file(file_bytes)?;
        let header = image_file::read_header(BufReader::new(file), &self.job.work.decode)?;
        if self.job.settings.format.is_none() {
            check_extension(&entry.input, header.format)?;
        }
        let (width, height) = (header.width, header.height);
        let channels = self.chain.output_channels(header.channels);
        let format = self.job.output_format(header.format);
        format.check_fits(width, height, channels)?;
        Ok(self.job.shape(&header, file_bytes, &self.chain))
    }

    /// What is expected of images.
    pub(crate) fn foresight(&self) -> MutexGuard<'_, Foresight> {
        self.foresight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How an image of `shape` is shared out.
    ///
    /// # Errors
    /// When no rank has the memory for it, or one may not have so much.
    pub(crate) fn share(&self, shape: &ImageShape) -> Result<(Share, Footprint), ImageError> {
        let settings = &self.job.settings;
        let wanted = (settings.distribution, settings.band_rows);
        let ranks = (&self.cluster, &*self.foresight());
        let (share, need) = choose(shape, &self.chain, ranks, self.entries, wanted)?;
        self.job.work.decode.limits.check_memory(need.on_one_rank(share))?;
        Ok((share, need))
    }
}

/// Without `--format` the name says what is written: it must not lie.
fn check_extension(path: &Path, content: Format) -> Result<(), ImageError> {
    let Some(extension) = path.extension().and_then(|extension| extension.to_str()) else {
        return Ok(());
    };
    match Format::of_extension(extension) {
        Some(named) if named != content => Err(ImageError::WrongExtension {
            content: content.name(),
            extension: extension.to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}

fn read_all(file: &mut File, bytes: u64) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut content = Vec::new();
    content.try_reserve_exact(usize::try_from(bytes).unwrap_or(usize::MAX))?;
    // What is added meanwhile was not planned for, and is not read.
    file.take(bytes).read_to_end(&mut content)?;
    Ok(content)
}
