//! What every op in the list promises: listing an op tests it.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod images;

use std::collections::HashSet;
use std::ops::Range;

use images::{CONTENTS, Content, Image, chain};
use mpix::band::{Band, BandMut, Rows, Window};
use mpix::error::BugError;
use mpix::ops::{Chain, OPS, OpSpec, Round, Simd};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rayon::prelude::*;

/// Every sample of every op alone, and chains of which the steps meet in different ways.
fn chains() -> Vec<Vec<String>> {
    let alone = OPS.iter().flat_map(|op| op.samples.iter().map(|sample| vec![op.text_of(sample)]));
    let together = [
        "",
        "canny blur:ksize=7",
        "canny canny:low=10,high=20",
        "blur:ksize=9 canny:low=20,high=40 invert",
        "canny heatmap gamma:value=2",
        "sharpen blur laplacian sharpen",
        "canny sharpen canny:low=10,high=200 red blur:ksize=3",
        "gray heatmap canny:low=30,high=90 hsv",
        "invert invert",
        "invert gamma:value=2 gray",
        "brightness-contrast invert hsv",
        "canny invert gamma:value=0.5",
        "gamma:value=2 invert laplacian:overflow=wrap",
    ];
    let together = together.map(|texts| texts.split_whitespace().map(str::to_owned).collect());
    alone.chain(together).collect()
}

/// Filters an image by cuts that each get no row more than they ask for, and are filtered on the
/// threads of the pool this runs in.
fn filtered_in_cuts(image: &Image, chain: &Chain, cuts: &[Range<usize>]) -> Image {
    chain.rounds().iter().fold(image.clone(), |image, round| {
        let channels = round.output_channels(image.channels);
        let halos: Vec<Halo> = cuts.iter().map(|rows| Halo::of(&image, round, rows)).collect();
        let parts: Vec<Vec<u8>> = if round.is_global() {
            finished(round, &image, &halos, channels)
        } else {
            halos
                .par_iter()
                .map(|halo| {
                    let mut bytes = vec![99; halo.rows.len() * image.width * channels];
                    let first = halo.rows.start;
                    let mut out =
                        BandMut::new(&mut bytes, image.width, channels, first, image.height);
                    round.filter(halo.band(&image), &mut out);
                    bytes
                })
                .collect()
        };
        Image { bytes: parts.concat(), channels, ..image }
    })
}

/// Rows to be made, and a copy of just the rows that takes.
struct Halo {
    rows: Range<usize>,
    first: usize,
    bytes: Vec<u8>,
}

impl Halo {
    fn of(image: &Image, round: &Round, rows: &Range<usize>) -> Self {
        let held = round.input_rows(rows.clone(), image.height);
        let bytes = image.band().slice(held.clone()).bytes().to_vec();
        Self { rows: rows.clone(), first: held.start, bytes }
    }

    fn band(&self, image: &Image) -> Band<'_> {
        Band::new(&self.bytes, image.width, image.channels, self.first, image.height)
    }
}

fn finished(round: &Round, image: &Image, halos: &[Halo], channels: usize) -> Vec<Vec<u8>> {
    let (partials, locals): (Vec<_>, Vec<_>) =
        halos.par_iter().map(|halo| round.summarize(halo.band(image), halo.rows.clone())).unzip();
    let shares = round.combine(&partials).unwrap();
    assert_eq!(shares.len(), halos.len());
    let jobs: Vec<_> = locals.into_iter().zip(shares).collect();
    let finish = |(local, share): (mpix::ops::Local, Vec<u8>)| {
        let rows = local.rows();
        let mut bytes = vec![99; rows.len() * image.width * channels];
        let mut out = BandMut::new(&mut bytes, image.width, channels, rows.start, image.height);
        round.finish(local, &share, &mut out).unwrap();
        bytes
    };
    jobs.into_par_iter().map(finish).collect()
}

/// The rows of an image, of which those further up are gone.
struct Given<'i> {
    image: &'i Image,
    window: Window,
}

impl Rows for Given<'_> {
    type Fault = BugError;

    fn width(&self) -> usize {
        self.image.width
    }

    fn height(&self) -> usize {
        self.image.height
    }

    fn channels(&self) -> usize {
        self.image.channels
    }

    fn rows(&mut self, rows: Range<usize>) -> Result<Band<'_>, BugError> {
        assert!(rows.start <= self.window.rows().end, "rows are left out");
        self.window.advance(rows, |out| {
            let rows = self.image.band().slice(out.rows());
            out.bytes_mut().copy_from_slice(rows.bytes());
            Ok::<(), BugError>(())
        })?;
        Ok(self.window.band())
    }
}

/// Filters an image by rows that come one after the other, asked for in `strips`.
fn filtered_by_rows(
    image: &Image,
    chain: &Chain,
    strips: impl Iterator<Item = Range<usize>>,
) -> Image {
    let window = Window::new(image.width, image.channels, image.height);
    let mut rows = chain.through(Box::new(Given { image, window }));
    assert_eq!((rows.width(), rows.height()), (image.width, image.height));
    let (channels, mut bytes) = (rows.channels(), Vec::new());
    for strip in strips {
        bytes.extend_from_slice(rows.rows(strip.clone()).unwrap().slice(strip).bytes());
    }
    Image { bytes, channels, ..*image }
}

/// Cuts behind the rows `ends` of an image of `height` rows.
fn cuts(ends: &[usize], height: usize) -> Vec<Range<usize>> {
    let mut ends: Vec<usize> = ends.iter().map(|end| end % height).chain([0, height]).collect();
    ends.sort_unstable();
    ends.dedup();
    ends.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

fn rows_apart(height: usize) -> Vec<Range<usize>> {
    (0..height).map(|row| row..row + 1).collect()
}

fn assert_same(got: &Image, expected: &Image, what: &str) {
    let place = got.bytes.iter().zip(&expected.bytes).position(|(got, want)| got != want);
    assert!(got == expected, "{what}: {:?} values, first at {place:?}", expected.bytes.len());
}

#[test]
fn any_cuts_give_the_whole_image() {
    let sizes = (1usize..48, 1usize..40, 1usize..=4, 0usize..3, any::<u64>());
    let strategy = (sizes, prop::collection::vec(0usize..40, 0..12));
    for texts in chains() {
        let chain = chain(&texts, Simd::detect());
        let mut runner = TestRunner::new(Config { cases: 40, ..Config::default() });
        let result = runner.run(&strategy, |((width, height, channels, content, seed), ends)| {
            let image = Image::made(CONTENTS[content], (width, height, channels), seed);
            let whole = image.filtered(&chain);
            prop_assert_eq!(whole.channels, chain.output_channels(channels));
            for cuts in [cuts(&ends, height), rows_apart(height)] {
                let joined = filtered_in_cuts(&image, &chain, &cuts);
                prop_assert!(joined == whole, "cut at {:?}", cuts);
                let rows = filtered_by_rows(&image, &chain, cuts.iter().cloned());
                prop_assert!(rows == whole, "by rows, cut at {:?}", cuts);
            }
            Ok(())
        });
        result.unwrap_or_else(|error| panic!("{texts:?}: {error}"));
    }
}

#[test]
fn wide_images_of_many_strips_give_the_same_in_any_cuts() {
    for (channels, seed) in [(4, 1), (1, 2)] {
        let image = Image::made(Content::Scene, (3001, 120, channels), seed);
        for texts in chains() {
            let chain = chain(&texts, Simd::detect());
            let whole = image.filtered(&chain);
            for ends in [&[60][..], &[1, 7, 118, 119], &[40, 41, 42]] {
                let joined = filtered_in_cuts(&image, &chain, &cuts(ends, image.height));
                assert_same(&joined, &whole, &format!("{texts:?} at {ends:?}"));
            }
            let strips = chain.strips((image.width, image.height, channels));
            let rows = filtered_by_rows(&image, &chain, strips);
            assert_same(&rows, &whole, &format!("{texts:?} by rows"));
        }
    }
}

#[test]
fn every_level_of_simd_gives_the_same() {
    let sizes = [(1, 1), (1, 9), (9, 1), (33, 5), (64, 3), (191, 11), (640, 33), (1021, 17)];
    assert!(Simd::all().len() > 1 || !cfg!(target_arch = "x86_64"), "only scalar kernels here");
    for texts in chains() {
        let plain = chain(&texts, Simd::scalar());
        for (index, (width, height)) in sizes.into_iter().enumerate() {
            for (content, channels) in CONTENTS.into_iter().zip([3, 1, 4]) {
                let image = Image::made(content, (width, height, channels), index as u64);
                let expected = image.filtered(&plain);
                for simd in Simd::all() {
                    let got = image.filtered(&chain(&texts, simd));
                    assert_same(&got, &expected, &format!("{texts:?} {simd} {width}x{height}"));
                }
            }
        }
    }
}

/// What the first round of `chain` makes of an image whose bytes, and those of the result, start at
/// `offset` of an allocation; the other rounds as ever.
fn filtered_at(offset: usize, image: &Image, chain: &Chain) -> Image {
    let round = &chain.rounds()[0];
    if round.is_global() {
        return image.filtered(chain);
    }
    let (width, height, channels) =
        (image.width, image.height, round.output_channels(image.channels));
    let input = [&vec![7; offset][..], &image.bytes].concat();
    let mut bytes = vec![99; offset + width * height * channels];
    let mut out = BandMut::new(&mut bytes[offset..], width, channels, 0, height);
    round.filter(Band::new(&input[offset..], width, image.channels, 0, height), &mut out);
    assert!(bytes[..offset].iter().all(|value| *value == 99), "bytes before the result");
    Image { bytes: bytes.split_off(offset), channels, ..*image }
}

#[test]
fn every_width_at_every_level_gives_the_same() {
    for texts in chains() {
        let plain = chain(&texts, Simd::scalar());
        for width in 1..=200 {
            let channels = [3, 1, 3, 4][width % 4];
            let image = Image::made(CONTENTS[width % 3], (width, 3, channels), width as u64);
            let expected = image.filtered(&plain);
            for simd in Simd::all() {
                let got = filtered_at(width % 64, &image, &chain(&texts, simd));
                assert_same(&got, &expected, &format!("{texts:?} {simd} {width}"));
            }
        }
    }
}

#[test]
fn ops_in_one_chain_are_ops_one_by_one() {
    let image = Image::made(Content::Scene, (301, 70, 3), 4);
    for texts in chains() {
        let apart = texts.iter().fold(image.clone(), |image, text| {
            image.filtered(&chain(std::slice::from_ref(text), Simd::detect()))
        });
        assert_same(&image.filtered(&chain(&texts, Simd::detect())), &apart, &format!("{texts:?}"));
    }
}

#[test]
fn any_number_of_threads_gives_the_same() {
    let image = Image::made(Content::Scene, (301, 203, 3), 5);
    let pools = [1, 2, 7]
        .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
    let rows = cuts(&(0..203).step_by(8).collect::<Vec<_>>(), 203);
    for texts in chains() {
        let chain = chain(&texts, Simd::detect());
        let whole = image.filtered(&chain);
        for pool in &pools {
            let got = pool.install(|| filtered_in_cuts(&image, &chain, &rows));
            assert_same(&got, &whole, &format!("{texts:?}"));
        }
    }
}

#[test]
fn lines_and_points_are_images() {
    for texts in chains() {
        let chain = chain(&texts, Simd::detect());
        for (width, height) in [(1, 1), (1, 2), (2, 1), (1, 63), (63, 1)] {
            for channels in 1..=4 {
                let image = Image::made(Content::Noise, (width, height, channels), 3);
                let whole = image.filtered(&chain);
                let joined = filtered_in_cuts(&image, &chain, &rows_apart(height));
                assert_same(&joined, &whole, &format!("{texts:?} {width}x{height}x{channels}"));
                let rows =
                    filtered_by_rows(&image, &chain, chain.strips((width, height, channels)));
                assert_same(&rows, &whole, &format!("{texts:?} {width}x{height} by rows"));
            }
        }
    }
}

#[test]
fn alpha_passes_and_never_shows_in_colours() {
    for texts in chains() {
        let chain = chain(&texts, Simd::detect());
        for channels in [1, 3] {
            let with = Image::made(Content::Scene, (67, 45, channels + 1), 8);
            let colours = |image: &Image| {
                let kept = image.channels - 1;
                let pixels = image.bytes.chunks_exact(image.channels);
                let bytes = pixels.flat_map(|pixel| pixel[..kept].to_vec()).collect();
                Image { bytes, channels: kept, ..*image }
            };
            let alpha = |image: &Image| -> Vec<u8> {
                image
                    .bytes
                    .chunks_exact(image.channels)
                    .map(|pixel| pixel[image.channels - 1])
                    .collect()
            };
            let got = with.filtered(&chain);
            assert_eq!(alpha(&got), alpha(&with), "{texts:?}");
            assert_same(&colours(&got), &colours(&with).filtered(&chain), &format!("{texts:?}"));
        }
    }
}

/// A stripe that winds from left to right, down and up through all rows, its edge just under
/// Canny's high threshold but, if `strong`, for a spot at its start.
fn serpentine(strong: bool) -> Image {
    let (legs, height, gap) = (9, 160usize, 24.0);
    let (top, bottom) = (24.0, height as f64 - 24.0);
    Image::of((legs * 24 + 24, height, 1), |row, column, _| {
        let (x, y) = (column as f64, row as f64);
        let leg = ((x / gap).round() - 1.0).clamp(0.0, legs as f64 - 1.0);
        let to_leg = (x - gap * (leg + 1.0)).hypot(y - y.clamp(top, bottom));
        let to_turn = (0..legs - 1).map(|turn| {
            let (middle, at_top) = (gap * (turn as f64 + 1.5), turn % 2 == 1);
            let end = if at_top { top } else { bottom };
            let beyond = if at_top { y <= end } else { y >= end };
            if beyond { ((x - middle).hypot(y - end) - gap / 2.0).abs() } else { f64::MAX }
        });
        let inside = to_turn.fold(to_leg, f64::min) <= 5.0;
        let spot = strong && leg == 0.0 && y < 60.0 && y > 40.0;
        100 + if inside { 30 } else { 0 } + if inside && spot { 30 } else { 0 }
    })
}

#[test]
fn a_weak_edge_through_all_cuts_hangs_on_one_strong_spot() {
    let find = chain(&["canny:low=100,high=200"], Simd::detect());
    let (with, without) = (serpentine(true), serpentine(false));
    let all = with.filtered(&chain(&["canny:low=100,high=100"], Simd::detect()));
    let length = all.bytes.iter().filter(|value| **value == 255).count();
    assert!(length > 2000, "an edge of {length} pixels");
    let ends: [&[usize]; 4] = [&[], &[80], &[33, 34, 35, 120], &[20, 40, 60, 80, 100, 120, 140]];
    let mut every = ends.map(|ends| cuts(ends, with.height)).to_vec();
    every.push(rows_apart(with.height));
    for cuts in every {
        assert_same(&filtered_in_cuts(&with, &find, &cuts), &all, "with a strong spot");
        let none = filtered_in_cuts(&without, &find, &cuts);
        assert!(none.bytes.iter().all(|value| *value == 0), "without a strong spot");
    }
}

#[test]
fn broken_parts_of_a_global_pass_are_errors() {
    let chain = chain(&["canny"], Simd::detect());
    let round = &chain.rounds()[0];
    let image = Image::made(Content::Noise, (40, 30, 1), 1);
    let (partial, local) = round.summarize(image.band(), 0..30);
    let cut_off = round.combine(&[partial[..partial.len() / 2].to_vec()]);
    assert!(matches!(cut_off, Err(BugError::GlobalPass { part: "partial", .. })));
    let mut bytes = vec![0; 40 * 30];
    let mut out = BandMut::new(&mut bytes, 40, 1, 0, 30);
    let finished = round.finish(local, &[0], &mut out);
    assert!(matches!(finished, Err(BugError::GlobalPassMismatch { part: "share" })));
}

#[test]
fn chains_are_cut_into_as_few_rounds_as_halos_allow() {
    let rounds = |texts: &[&str]| chain(texts, Simd::detect()).rounds().len();
    assert_eq!(rounds(&[]), 1);
    assert_eq!(rounds(&["blur", "sharpen", "laplacian"]), 1);
    assert_eq!(rounds(&["blur", "canny", "invert", "heatmap"]), 1);
    assert_eq!(rounds(&["canny", "blur"]), 2);
    assert_eq!(rounds(&["canny", "canny"]), 2);
    let chain = chain(&["blur:ksize=5", "sharpen"], Simd::detect());
    assert_eq!(chain.rounds()[0].input_rows(10..20, 100), 5..25);
}

#[test]
fn names_are_unique_and_told() {
    let names: HashSet<_> = OPS.iter().map(|op| op.name).collect();
    assert_eq!(names.len(), OPS.len());
    for op in OPS {
        assert!(!op.summary.is_empty() && !op.samples.is_empty(), "{}", op.name);
        let parameters: HashSet<_> = op.parameters.iter().map(|parameter| parameter.name).collect();
        assert_eq!(parameters.len(), op.parameters.len(), "{}", op.name);
        for parameter in op.parameters {
            let default = parameter.default.map(|text| parameter.kind.read(text));
            assert_ne!(default, Some(None), "default of {} of {}", parameter.name, op.name);
        }
    }
}

#[test]
fn specs_survive_as_text() {
    for op in OPS {
        for sample in op.samples {
            let spec: OpSpec = op.text_of(sample).parse().unwrap();
            let text = spec.to_string();
            assert_eq!(text.parse::<OpSpec>().unwrap(), spec, "{text}");
            assert_eq!(text.parse::<OpSpec>().unwrap().to_string(), text);
            let json = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<OpSpec>(&json).unwrap(), spec, "{json}");
            let bytes = postcard::to_stdvec(&spec).unwrap();
            assert_eq!(postcard::from_bytes::<OpSpec>(&bytes).unwrap(), spec);
            for parameter in op.parameters {
                assert!(text.contains(&format!("{}=", parameter.name)), "{text}");
            }
        }
    }
}

#[test]
fn any_text_is_a_spec_or_an_error() {
    let names: Vec<&str> = OPS.iter().map(|op| op.name).collect();
    let pieces = prop::collection::vec("[a-z]{0,7}=?[-0-9.,/ ]{0,9}", 0..4);
    proptest!(|(name in prop::sample::select(names), pieces in pieces)| {
        if let Ok(spec) = format!("{name}:{}", pieces.join(",")).parse::<OpSpec>() {
            prop_assert_eq!(spec.to_string().parse::<OpSpec>().unwrap(), spec);
        }
    });
    for op in OPS {
        for parameter in op.parameters {
            for bad in ["", "x", "nan", "1e99", "-1e99", "1/2,3"] {
                let text = format!("{}:{}={bad}", op.name, parameter.name);
                assert!(text.parse::<OpSpec>().is_err(), "{text}");
            }
        }
        assert!(format!("{}:nonsense=1", op.name).parse::<OpSpec>().is_err());
    }
}

#[test]
fn every_chain_costs_something() {
    for texts in chains().into_iter().filter(|texts| !texts.is_empty()) {
        let chain = chain(&texts, Simd::detect());
        assert!((1..=4).all(|channels| chain.cost(channels) > 0.0), "{texts:?}");
    }
}
