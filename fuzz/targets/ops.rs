//! Ops as people write them.

use mpix::band::{Band, BandMut};
use mpix::error::BugError;
use mpix::ops::{Chain, OpSpec, Simd};
use mpix::worker_rank::filter_image;

/// Width and height of the images that ops are tried on.
const SIZES: [(usize, usize); 4] = [(1, 1), (3, 2), (1, 9), (17, 5)];
/// Ops of a chain.
const MAX_OPS: usize = 3;

/// One op a line. No text makes reading panic. What is read is written in a way that reads the same,
/// and filters any image: to the size it says, alike with all instructions and in any cut.
pub(super) fn any_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let specs: Vec<OpSpec> =
        text.lines().take(MAX_OPS).filter_map(|line| line.parse().ok()).collect();
    for spec in &specs {
        let again: OpSpec = spec.to_string().parse().expect("what is written can be read");
        assert_eq!((&again, again.to_string()), (spec, spec.to_string()));
    }
    let (Ok(plain), Ok(fast)) =
        (Chain::build(&specs, Simd::scalar()), Chain::build(&specs, Simd::detect()))
    else {
        panic!("ops that were read can be built: {specs:?}")
    };
    for (number, (width, height)) in SIZES.into_iter().enumerate() {
        let channels = 1 + (bytes.len() + number) % 4;
        let pixels: Vec<u8> =
            bytes.iter().copied().cycle().take(width * height * channels).collect();
        if pixels.is_empty() {
            return;
        }
        let shape = (width, height, channels);
        let filter = |chain| filter_image(chain, pixels.clone(), shape, 1).expect("no bug");
        let whole = filter(&plain);
        assert_eq!(whole.len(), width * height * plain.output_channels(channels));
        assert!(whole == filter(&fast), "{specs:?}: {shape:?} by other instructions");
        let in_rows = row_by_row(&fast, pixels.clone(), shape).expect("no bug");
        assert!(whole == in_rows, "{specs:?}: {shape:?} row by row");
    }
}

/// Every row by itself, as if each were at another rank.
fn row_by_row(
    chain: &Chain,
    mut pixels: Vec<u8>,
    (width, height, mut channels): (usize, usize, usize),
) -> Result<Vec<u8>, BugError> {
    for round in chain.rounds() {
        let made = round.output_channels(channels);
        let mut out = vec![0; width * height * made];
        let input_of = |row: usize| {
            let rows = round.input_rows(row..row + 1, height);
            let bytes = &pixels[rows.start * width * channels..rows.end * width * channels];
            Band::new(bytes, width, channels, rows.start, height)
        };
        let outputs = out.chunks_exact_mut(width * made).enumerate();
        let outputs = outputs.map(|(row, own)| (row, BandMut::new(own, width, made, row, height)));
        if round.is_global() {
            let (partials, locals): (Vec<_>, Vec<_>) =
                (0..height).map(|row| round.summarize(input_of(row), row..row + 1)).unzip();
            let shares = round.combine(&partials)?;
            for (((_, mut own), local), share) in outputs.zip(locals).zip(shares) {
                round.finish(local, &share, &mut own)?;
            }
        } else {
            outputs.for_each(|(row, mut own)| round.filter(input_of(row), &mut own));
        }
        (pixels, channels) = (out, made);
    }
    Ok(pixels)
}
