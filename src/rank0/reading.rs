//! One file from the disk into memory: its header, how it is shared out, and its bytes unless it is read in bands.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bands::FromStart;
use super::budget::{Budget, Permit};
use super::earlier::{Earlier, modified_ns};
use crate::error::ImageError;
use crate::image_file::{self, Format, Header};
use crate::journal::{ContentHash, Done, Identity};
use crate::ops::chain::Chain;
use crate::plan::{Cluster, Footprint, ImageShape, Job, Share, choose};
use crate::source::Entry;

/// What all readers know.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) job: Job,
    pub(crate) chain: Chain,
    pub(crate) cluster: Cluster,
    pub(crate) budget: Arc<Budget>,
    pub(crate) entries: usize,
    /// What earlier runs did.
    pub(crate) earlier: Earlier,
}

/// A file that is ready to be handed out.
#[derive(Debug)]
pub struct Loaded {
    pub(crate) format: Format,
    pub(crate) need: Footprint,
    pub(crate) permit: Permit,
    pub(crate) shape: ImageShape,
    /// Known later if it is read in bands.
    pub(crate) identity: Option<Identity>,
    pub(crate) content: Content,
    /// How long it was read and hashed.
    pub(crate) time: Duration,
}

/// What was read of it.
#[derive(Debug)]
pub(crate) enum Content {
    /// The file, for a rank that takes it whole.
    File(Vec<u8>),
    /// Nothing yet: it is read in bands.
    InBands(File),
    /// Nothing: an earlier run has made its result, of the same bytes.
    DoneBefore(Box<Done>),
}

impl Reading {
    /// Reads a file, once there is memory for it; then `goes_on` is called.
    ///
    /// # Errors
    /// When it cannot be read, is no image, or is over a limit.
    pub(crate) fn load(&self, entry: &Entry, goes_on: impl FnOnce()) -> Result<Loaded, ImageError> {
        let mut file = File::open(&entry.input).map_err(ImageError::Unreadable)?;
        let (header, shape) = self.header(entry, &file)?;
        let (share, need) = self.share(&shape)?;
        let format = self.format_of(&header);
        let held = match share {
            Share::Image => need.held_whole,
            Share::Bands => need.held_in_bands,
        };
        let permit = self.budget.take(held);
        goes_on();
        let began = Instant::now();
        let (identity, content) = match share {
            Share::Image => {
                let bytes =
                    read_all(&mut file, shape.file_bytes).map_err(ImageError::Unreadable)?;
                let identity = identity(entry, &file, shape.file_bytes, ContentHash::of(&bytes))?;
                (Some(identity), Content::File(bytes))
            }
            // Only then is it worth a wait.
            Share::Bands if self.earlier.may_have_done(entry, shape.file_bytes, &self.job) => {
                let identity = self.identify(entry, &file, shape.file_bytes)?;
                (Some(identity), Content::InBands(file))
            }
            Share::Bands => (None, Content::InBands(file)),
        };
        let done = identity
            .as_ref()
            .and_then(|identity| self.earlier.same_content(identity, entry, &self.job));
        let content = done.map_or(content, |done| Content::DoneBefore(Box::new(done)));
        Ok(Loaded { format, need, permit, shape, identity, content, time: began.elapsed() })
    }

    /// What the journal knows the `bytes` first bytes of a file by.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn identify(
        &self,
        entry: &Entry,
        file: &File,
        bytes: u64,
    ) -> Result<Identity, ImageError> {
        let content = FromStart::new(file, bytes);
        let content = ContentHash::of_reader(content).map_err(ImageError::Unreadable)?;
        identity(entry, file, bytes, content)
    }

    /// The header of a file, checked against all limits that it can be checked against.
    ///
    /// # Errors
    /// When the file is no image, is over a limit, or is not what its name says.
    pub(crate) fn header(
        &self,
        entry: &Entry,
        file: &File,
    ) -> Result<(Header, ImageShape), ImageError> {
        let file_bytes = file.metadata().map_err(ImageError::Unreadable)?.len();
        self.job.work.decode.limits.check_file(file_bytes)?;
        let header = image_file::read_header(BufReader::new(file), &self.job.work.decode)?;
        if self.job.settings.format.is_none() {
            check_extension(&entry.input, header.format)?;
        }
        let (width, height) = (header.width, header.height);
        let channels = self.chain.output_channels(header.channels);
        let format = self.format_of(&header);
        format.check_fits(width, height, channels)?;
        let options = self.job.work.encode_options(format);
        Ok((header, ImageShape::new(&header, file_bytes, channels, &options)))
    }

    /// The format that a file with this header is written in.
    fn format_of(&self, header: &Header) -> Format {
        self.job.settings.format.unwrap_or_else(|| header.format.output())
    }

    /// How an image of `shape` is shared out.
    ///
    /// # Errors
    /// When no rank has the memory for it, or one may not have so much.
    pub(crate) fn share(&self, shape: &ImageShape) -> Result<(Share, Footprint), ImageError> {
        let settings = &self.job.settings;
        let wanted = (settings.distribution, settings.band_rows);
        let (share, need) = choose(shape, &self.chain, &self.cluster, self.entries, wanted)?;
        self.job.work.decode.limits.check_memory(need.on_one_rank(share))?;
        Ok((share, need))
    }
}

fn identity(
    entry: &Entry,
    file: &File,
    bytes: u64,
    content: ContentHash,
) -> Result<Identity, ImageError> {
    let found = file.metadata().map_err(ImageError::Unreadable)?;
    Ok(Identity { path: entry.key(), bytes, modified_ns: modified_ns(&found), content })
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
