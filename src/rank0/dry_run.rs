//! `--dry-run`: the plan, without carrying it out.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use super::reading::Reading;
use crate::error::{ImageError, on_one_line, with_causes};
use crate::events::megapixels;
use crate::plan::{Footprint, ImageShape, Share, WholeImages, band_bytes, flows, in_bands};
use crate::settings::SharedFiles;
use crate::source::Entry;
use crate::worker_rank::{LARGEST_TRIAL, try_out};

/// Images that are tried until one can be measured.
const MOST_TRIED: usize = 16;

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
    whole: WholeImages,
    in_bands_ns: f64,
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
    let measured = measure(reading, entries);
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
    print_tally(reading, &tally, out)?;
    print_forecast(reading, &tally, measured, out)
}

fn print_tally(reading: &Reading, tally: &Tally, out: &mut impl Write) -> io::Result<()> {
    let megapixels = megapixels(tally.pixels);
    // Ranks have not been asked whether they see the files.
    let depends =
        reading.job.settings.shared_files == SharedFiles::Auto && !reading.cluster.all_see_files();
    writeln!(
        out,
        "images    {}: {} as whole files, {} in bands, {} would fail",
        reading.entries, tally.images, tally.in_bands, tally.failing
    )?;
    writeln!(out, "units     {} to hand out", tally.units)?;
    writeln!(out, "size      {megapixels:.1} megapixels, {} of files", size(tally.file_bytes))?;
    writeln!(
        out,
        "memory    largest unit: {} on a rank, {}{} held by rank 0, which holds at most {}",
        size(tally.largest_on_rank),
        if depends { "up to " } else { "" },
        size(tally.largest_held),
        size(reading.cluster.rank0_hold())
    )
}

/// Filters the first image that is not too large, to learn what such images cost. Gives its name and
/// the milliseconds that it took.
fn measure<'e>(reading: &Reading, entries: &'e [Entry]) -> Option<(&'e Path, f64)> {
    let tried = entries.iter().take(MOST_TRIED).find_map(|entry| {
        let (shape, ..) =
            plan_of(reading, entry).ok().filter(|(shape, ..)| shape.pixels() <= LARGEST_TRIAL)?;
        let file = fs::read(&entry.input).ok()?;
        let trial = try_out(&reading.job.work, &reading.chain, &file, &shape).ok()?.ok()?;
        Some((entry, shape, trial))
    });
    let (entry, shape, trial) = tried?;
    let times = trial.times.of_pixels();
    reading.foresight().saw(&shape, &reading.chain, times, trial.result_bytes as u64);
    let all = Duration::from_micros(times.iter().sum());
    Some((&entry.input, all.as_secs_f64() * 1e3))
}

fn print_forecast(
    reading: &Reading,
    tally: &Tally,
    measured: Option<(&Path, f64)>,
    out: &mut impl Write,
) -> io::Result<()> {
    let whole = tally.whole.forecast(reading.foresight().site());
    let seconds = (whole.ns + tally.in_bands_ns) / 1e9;
    let held_up = if tally.in_bands_ns < whole.ns {
        format!(", held up by: {}", whole.bottleneck)
    } else {
        String::new()
    };
    let learned = measured.map_or_else(
        || "nothing could be measured here".to_owned(),
        |(name, ms)| format!("`{}` took one core here {ms:.1} ms", name.display()),
    );
    writeln!(out, "{}", on_one_line(&format!("forecast  {seconds:.1} s{held_up}; {learned}")))
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
        let shape = reading.shape(entry, &file)?;
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
    let foresight = reading.foresight();
    let (load, site) = (foresight.load(&shape, &reading.chain), foresight.site());
    let (unit, on_rank, held) = match share {
        Share::Image => {
            tally.whole.add(&load, 1, site);
            tally.images += 1;
            tally.units += 1;
            ("whole".to_owned(), need.on_rank, need.held_whole)
        }
        Share::Bands => {
            let (bands, band) = bands_of(reading, &shape);
            tally.in_bands += 1;
            tally.in_bands_ns += in_bands(&load, 1, site).ns;
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
