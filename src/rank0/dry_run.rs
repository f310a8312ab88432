//! `--dry-run`: the plan, without carrying it out.

use std::fs::File;
use std::io::{self, Write};

use super::reading::Reading;
use crate::error::{ImageError, on_one_line, with_causes};
use crate::events::megapixels;
use crate::plan::{Footprint, ImageShape, Share, band_bytes, flows};
use crate::source::Entry;

#[derive(Default)]
struct Tally {
    images: usize,
    in_bands: usize,
    units: usize,
    failing: usize,
    pixels: u64,
    file_bytes: u64,
    largest_on_rank: u64,
    largest_held: u64,
}

/// Reads all headers and prints what a run would do with the files.
///
/// # Errors
/// When standard output is closed.
pub(crate) fn print(reading: &Reading, entries: &[Entry], out: &mut impl Write) -> io::Result<()> {
    let settings = &reading.job.settings;
    let ops: Vec<String> = settings.ops.iter().map(ToString::to_string).collect();
    writeln!(
        out,
        "ops       {}",
        if ops.is_empty() { "none".to_owned() } else { ops.join(" | ") }
    )?;
    let output = settings.output.display().to_string();
    writeln!(out, "output    {}", on_one_line(&output))?;
    for (number, rank) in reading.cluster.ranks.iter().enumerate() {
        let memory = size(rank.memory);
        writeln!(out, "rank {number:<5}{}, {} threads, {memory}", rank.host, rank.threads)?;
    }
    let mut tally = Tally::default();
    for entry in entries {
        match plan_of(reading, entry) {
            Ok(plan) => print_image(reading, entry, plan, &mut tally, out)?,
            Err(reason) => {
                tally.failing += 1;
                let failure = format!("would fail: `{}` {reason}", entry.input.display());
                writeln!(out, "{}", on_one_line(&failure))?;
            }
        }
    }
    print_tally(reading, &tally, out)
}

fn print_tally(reading: &Reading, tally: &Tally, out: &mut impl Write) -> io::Result<()> {
    let megapixels = megapixels(tally.pixels);
    writeln!(
        out,
        "images    {}: {} as whole files, {} in bands, {} would fail",
        reading.entries, tally.images, tally.in_bands, tally.failing
    )?;
    writeln!(out, "units     {} to hand out", tally.units)?;
    writeln!(out, "size      {megapixels:.1} megapixels, {} of files", size(tally.file_bytes))?;
    writeln!(
        out,
        "memory    largest unit: {} on a rank, {} held by rank 0, which holds at most {}",
        size(tally.largest_on_rank),
        size(tally.largest_held),
        size(reading.cluster.rank0_hold())
    )
}

/// Bands that the first round cuts an image into, and bytes that one takes on its rank.
fn bands_of(reading: &Reading, shape: &ImageShape) -> (usize, u64) {
    let Reading { chain, cluster, job, .. } = reading;
    let flows = flows(shape, chain, (cluster, cluster.rank0_hold()), job.settings.band_rows);
    let (Some(round), Some(flow)) = (chain.rounds().first(), flows.first()) else { return (0, 0) };
    let input = round.input_rows(0..flow.rows, shape.height).len();
    let band = band_bytes(round, (shape.width, shape.channels), input, flow.rows);
    (shape.height.div_ceil(flow.rows), band)
}

type ImagePlan = (ImageShape, Share, Footprint);

/// How one file would be shared out, or why it would fail.
fn plan_of(reading: &Reading, entry: &Entry) -> Result<ImagePlan, String> {
    let plan = || -> Result<ImagePlan, ImageError> {
        let file = File::open(&entry.input).map_err(ImageError::Unreadable)?;
        let (_, shape) = reading.header(entry, &file)?;
        let (share, need) = reading.share(&shape)?;
        Ok((shape, share, need))
    };
    match &entry.problem {
        Some(problem) => Err(with_causes(problem)),
        None => plan().map_err(|error| with_causes(&error)),
    }
}

fn print_image(
    reading: &Reading,
    entry: &Entry,
    (shape, share, need): ImagePlan,
    tally: &mut Tally,
    out: &mut impl Write,
) -> io::Result<()> {
    let (unit, on_rank, held) = match share {
        Share::Image => {
            tally.images += 1;
            tally.units += 1;
            ("whole".to_owned(), need.on_rank, need.held_whole)
        }
        Share::Bands => {
            let (bands, band) = bands_of(reading, &shape);
            tally.in_bands += 1;
            tally.units += bands;
            (format!("{bands} bands"), band, need.held_in_bands)
        }
    };
    tally.pixels += shape.pixels();
    tally.file_bytes += shape.file_bytes;
    tally.largest_on_rank = tally.largest_on_rank.max(on_rank);
    tally.largest_held = tally.largest_held.max(held);
    let image = format!(
        "{unit:<9} {} -> {}, {} x {} x {}",
        entry.input.display(),
        reading.job.settings.output.join(&entry.output).display(),
        shape.width,
        shape.height,
        shape.channels
    );
    writeln!(out, "{}", on_one_line(&image))
}

/// Bytes, for people.
fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}
