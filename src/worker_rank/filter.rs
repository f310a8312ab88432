//! Rows through one round of the chain, cut into one chunk for each thread.

use std::ops::Range;

use rayon::prelude::*;

use crate::band::{Band, BandMut};
use crate::buffers::Buffers;
use crate::error::BugError;
use crate::ops::chain::{Chain, Local, Round};
use crate::plan::cut_rows;

/// The rows that each of `threads` threads takes.
fn chunks(rows: &Range<usize>, threads: usize) -> Vec<Range<usize>> {
    cut_rows(rows.clone(), rows.len().div_ceil(threads.max(1)).max(1))
}

/// Calls `work` for each chunk of the rows of `out`, with the chunk's own part of it.
fn for_each_chunk<T: Send>(
    out: &mut BandMut<'_>,
    parts: Vec<(Range<usize>, T)>,
    work: impl Fn(T, &mut BandMut<'_>) -> Result<(), BugError> + Sync,
) -> Result<(), BugError> {
    let (width, channels, height) = (out.width(), out.channels(), out.height());
    let stride = out.stride();
    let mut rest = out.bytes_mut();
    let mut tasks = Vec::with_capacity(parts.len());
    for (rows, part) in parts {
        let (own, below) = rest.split_at_mut(rows.len() * stride);
        rest = below;
        tasks.push((BandMut::new(own, width, channels, rows.start, height), part));
    }
    if tasks.len() == 1 {
        return tasks.into_iter().try_for_each(|(mut out, part)| work(part, &mut out));
    }
    tasks.into_par_iter().try_for_each(|(mut out, part)| work(part, &mut out))
}

/// Filters the rows of `out` by a round without a global pass.
pub(crate) fn filter_rows(
    round: &Round,
    input: Band<'_>,
    out: &mut BandMut<'_>,
    threads: usize,
) -> Result<(), BugError> {
    let parts = chunks(&out.rows(), threads).into_iter().map(|rows| (rows, ())).collect();
    for_each_chunk(out, parts, |(), out| {
        round.filter(input, out);
        Ok(())
    })
}

/// What is kept of rows between the two halves of a global pass, from the top.
pub(crate) type Locals = Vec<(Range<usize>, Local)>;

/// The first half of a round with a global pass over `rows`: partials, from the top.
pub(crate) fn summarize_rows(
    round: &Round,
    input: Band<'_>,
    rows: &Range<usize>,
    threads: usize,
) -> (Vec<Vec<u8>>, Locals) {
    let summarize = |rows: Range<usize>| {
        let (partial, local) = round.summarize(input, rows.clone());
        (partial, (rows, local))
    };
    let chunks = chunks(rows, threads);
    if chunks.len() == 1 {
        return chunks.into_iter().map(summarize).unzip();
    }
    chunks.into_par_iter().map(summarize).unzip()
}

/// The second half of a round with a global pass: the rows of `out`, by one share for each partial.
pub(crate) fn finish_rows(
    round: &Round,
    locals: Locals,
    shares: &[Vec<u8>],
    out: &mut BandMut<'_>,
) -> Result<(), BugError> {
    if locals.len() != shares.len() {
        return Err(BugError::Message { from: 0, what: "it holds another number of shares" });
    }
    let parts = locals
        .into_iter()
        .zip(shares)
        .map(|((rows, local), share)| (rows, (local, share)))
        .collect();
    for_each_chunk(out, parts, |(local, share), out| round.finish(local, share, out))
}

/// Filters a whole image of `width x height` pixels of `channels` bytes through all of `chain`.
///
/// # Errors
/// When a global pass cannot read its own partials, which is a bug.
pub fn filter_image(
    chain: &Chain,
    pixels: Vec<u8>,
    (width, height, channels): (usize, usize, usize),
    threads: usize,
) -> Result<Vec<u8>, BugError> {
    filter_with(chain, pixels, (width, height, channels), threads, &Buffers::new(0))
}

/// [`filter_image`] with buffers that are used again.
pub(crate) fn filter_with(
    chain: &Chain,
    mut pixels: Vec<u8>,
    (width, height, mut channels): (usize, usize, usize),
    threads: usize,
    buffers: &Buffers,
) -> Result<Vec<u8>, BugError> {
    for round in chain.rounds() {
        let output_channels = round.output_channels(channels);
        let mut filtered = buffers.take(width * height * output_channels);
        {
            let input = Band::new(&pixels, width, channels, 0, height);
            let mut out = BandMut::new(&mut filtered, width, output_channels, 0, height);
            if round.is_global() {
                let (partials, locals) = summarize_rows(round, input, &(0..height), threads);
                finish_rows(round, locals, &round.combine(&partials)?, &mut out)?;
            } else {
                filter_rows(round, input, &mut out, threads)?;
            }
        }
        buffers.give(std::mem::replace(&mut pixels, filtered));
        channels = output_channels;
    }
    Ok(pixels)
}
