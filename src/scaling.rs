//! `mpix plan`: how long a job takes on clusters that nobody here has, and what holds it up there.

mod table;
mod trials;

use std::io::{self, Write};

use self::trials::Trials;
use crate::error::{Error, exit};
use crate::host;
use crate::plan::{Bottleneck, Forecast, Site, WholeImages, even_part, in_bands};
use crate::settings::{Distribution, PlanSettings, SharedFiles};

/// Seconds that a run takes to start and to end: alone, or under mpirun on one host; and for each
/// host, where there are more.
const START_ALONE: f64 = 0.02;
const START_HERE: f64 = 0.35;
const START_FAR: f64 = 1.0;
const START_HOST: f64 = 0.005;

/// The part of what a link carries that is not headers of Ethernet, IP and TCP.
const PAYLOAD: f64 = 0.95;

/// How a job goes on so many ranks.
#[derive(Clone, Copy, Debug)]
struct Row {
    ranks: usize,
    hosts: usize,
    /// With the start.
    seconds: f64,
    /// Images in a second, from the first to the last.
    rate: f64,
    /// Against as many times one rank.
    efficiency: f64,
    bottleneck: Bottleneck,
    in_bands: bool,
}

/// What is foreseen of a job.
#[derive(Debug)]
pub struct Plan {
    trials: Trials,
    images: u64,
    threads: usize,
    link: f64,
    rows: Vec<Row>,
    /// The fewest ranks that are held up by something else than cores, and by what.
    first: Option<(usize, Bottleneck)>,
    json: bool,
}

/// Measures some of the images and foresees the rest.
///
/// # Errors
/// When the inputs cannot be listed, or mpix has a bug.
pub fn plan(settings: &PlanSettings) -> Result<Plan, Error> {
    let trials = trials::measure(&settings.run)?;
    let threads = settings.run.threads.unwrap_or_else(|| host::facts().allowed_cores);
    let images = settings.images.map_or(trials.images, std::num::NonZero::get);
    let site = |ranks| Site {
        link: settings.link * PAYLOAD,
        storage: settings.storage,
        shares_files: settings.run.shared_files == SharedFiles::Yes,
        core: trials.core,
        checksum: settings.run.checksum,
        ..Site::planned(ranks, settings.ranks_per_host, threads)
    };
    let job = Job { trials: &trials, images, distribution: settings.run.distribution };
    let rows = settings.ranks.iter().map(|&ranks| job.row(&site(ranks), &site(1))).collect();
    let first = first_bottleneck(&settings.ranks, |ranks| job.forecast(&site(ranks)).0.bottleneck);
    Ok(Plan { trials, images, threads, link: settings.link, rows, first, json: settings.json })
}

/// What is to be done, and how.
struct Job<'t> {
    trials: &'t Trials,
    images: u64,
    distribution: Distribution,
}

impl Job<'_> {
    /// What is foreseen on `site`, and whether it is done in bands.
    fn forecast(&self, site: &Site) -> (Forecast, bool) {
        let mut whole = WholeImages::default();
        let mut bands = Forecast { ns: 0.0, bottleneck: Bottleneck::Cores };
        let loads = &self.trials.loads;
        for (index, load) in loads.iter().enumerate() {
            let count = even_part(self.images, index, loads.len());
            whole.add(load, count, site);
            let all = in_bands(load, count, site);
            let longer = if all.ns > bands.ns { all } else { bands };
            bands = Forecast { ns: bands.ns + all.ns, ..longer };
        }
        let whole = whole.forecast(site);
        let in_bands = match self.distribution {
            Distribution::Images => false,
            Distribution::Bands => true,
            Distribution::Auto => bands.ns < whole.ns,
        };
        (if in_bands { bands } else { whole }, in_bands)
    }

    fn row(&self, site: &Site, one: &Site) -> Row {
        let (forecast, in_bands) = self.forecast(site);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let (images, ranks) = (self.images as f64, site.ranks as f64);
        Row {
            ranks: site.ranks,
            hosts: site.hosts,
            seconds: forecast.ns / 1e9 + start(site),
            rate: images / (forecast.ns / 1e9),
            efficiency: self.forecast(one).0.ns / forecast.ns / ranks,
            bottleneck: forecast.bottleneck,
            in_bands,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn start(site: &Site) -> f64 {
    match (site.ranks, site.hosts) {
        (1, _) => START_ALONE,
        (_, 1) => START_HERE,
        (_, hosts) => START_FAR + START_HOST * hosts as f64,
    }
}

/// The fewest ranks between those of `counts` for which something else than cores is the bottleneck.
fn first_bottleneck(
    counts: &[usize],
    bottleneck: impl Fn(usize) -> Bottleneck,
) -> Option<(usize, Bottleneck)> {
    let is_held_up = |ranks: usize| bottleneck(ranks) != Bottleneck::Cores;
    let found = counts.iter().position(|&ranks| is_held_up(ranks))?;
    let (mut free, mut held) = (if found == 0 { 0 } else { counts[found - 1] }, counts[found]);
    while held - free > 1 {
        let middle = free + (held - free) / 2;
        if is_held_up(middle) { held = middle } else { free = middle }
    }
    Some((held, bottleneck(held)))
}

impl Plan {
    /// 0, or 1 when no image could be measured.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.trials.loads.is_empty() { exit::SOME_FAILED } else { exit::DONE }
    }

    /// Prints it.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        if self.json { table::print_json(self, out) } else { table::print(self, out) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bottleneck_is_found_between_the_counts() {
        let at = |limit| {
            move |ranks: usize| {
                if ranks >= limit { Bottleneck::LinkOut } else { Bottleneck::Cores }
            }
        };
        let counts = [1, 2, 4, 8, 16, 32];
        assert_eq!(first_bottleneck(&counts, at(11)), Some((11, Bottleneck::LinkOut)));
        assert_eq!(first_bottleneck(&counts, at(1)), Some((1, Bottleneck::LinkOut)));
        assert_eq!(first_bottleneck(&counts, at(33)), None);
    }

    #[test]
    fn every_image_is_like_one_that_was_measured() {
        assert_eq!((0..3).map(|index| even_part(11, index, 3)).sum::<u64>(), 11);
        assert_eq!((0..3).map(|index| even_part(2, index, 3)).collect::<Vec<_>>(), [1, 1, 0]);
    }
}
