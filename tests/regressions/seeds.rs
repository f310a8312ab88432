//! What fuzzing starts from: small things that are well.

use std::path::PathBuf;

use image::{ColorType, ImageFormat};
use mpix::error::FailureKind;
use mpix::hash::{Checksum, ContentHash, GroupHashes, OutputHash, groups_within};
use mpix::image_file::{DecodeOptions, Format, Limits, Metadata, encode};
use mpix::ops::{OPS, OpSpec, Simd};
use mpix::plan::{Arrived, HostFacts, Work};
use mpix::transport::message::{
    BandHeader, BandInput, BandResult, FileSeen, Filtered, ImageResult, InputPlace, OutputPlace,
    RankTimes, SharedFiles, SharedOutput, ToRank, ToRank0, Token, write_frame,
};
use serde::Serialize;

use crate::pictures::{by_image, file, gif, jpeg, options, pixels, png_of_16_bits};

/// Seeds by name.
type Seeds = Vec<(String, Vec<u8>)>;

const WIDTH: usize = 9;
const HEIGHT: usize = 7;
const HOSTFILE: &[u8] = include_bytes!("../../hostfile.example");
const HOSTS: &[u8] =
    b"a slots=4 max_slots=8 # comment\nme@b.example port=2222\n^c\n10.0.0.1\n[fd00::1]:2 slots=2\n";
const JOURNAL: &[u8] = include_bytes!("../journal/version_1.journal");

/// The seeds of a target; of one that is not known here, an empty file.
pub(crate) fn of(target: &str) -> Seeds {
    match target {
        "journal" => named([("whole", JOURNAL), ("cut", &JOURNAL[..700])]),
        "journal_damage" => named([
            ("none", b""),
            ("cut", &[0, 0, 100, 50]),
            ("overwritten", &[1, 0, 20, 4, 1, 2, 3, 4]),
            ("grown", &[2, 2, 0, 4, 0xF8, b'm', b'p', 1]),
            ("cut off", &[3, 3, 200, 0]),
        ]),
        "journal_payloads" => named([("each", &journal_payloads())]),
        "messages" => messages(),
        "partials" => partials(),
        "worker" => conversations(),
        "ops" => ops(),
        "command_line" => command_lines(),
        "hostfile" => named([("example", HOSTFILE), ("each", HOSTS)]),
        "exif" => {
            named([("turned", &exif(6)), ("flipped", &exif(2)), ("swapped", &big_endian_exif())])
        }
        "jpeg_segments" => segments(),
        "jpeg" => jpegs(),
        "png" => pngs(),
        "tiff" => tiffs(),
        "webp" => of_channels(Format::WebP),
        "bmp" => bmps(),
        "pnm" => pnms(),
        "gif" => {
            named([("opaque", &gif(WIDTH, HEIGHT, false)), ("holes", &gif(WIDTH, HEIGHT, true))])
        }
        "qoi" => [3, 4]
            .map(|channels| {
                (format!("of-{channels}"), by_image(WIDTH, HEIGHT, channels, ImageFormat::Qoi))
            })
            .to_vec(),
        _ => named([("empty", b"")]),
    }
}

fn named<const N: usize>(seeds: [(&str, &[u8]); N]) -> Seeds {
    seeds.map(|(name, bytes)| (name.replace(' ', "-"), bytes.to_vec())).to_vec()
}

/// The payloads of all records of [`JOURNAL`], with the byte between that starts a record.
fn journal_payloads() -> Vec<u8> {
    let mut payloads = Vec::new();
    let mut at = 40;
    while at < JOURNAL.len() {
        let length = u32::from_le_bytes(JOURNAL[at + 4..at + 8].try_into().unwrap()) as usize;
        payloads.push(JOURNAL[at + 16..at + 16 + length].to_vec());
        at += 32 + length;
    }
    payloads.join(&0xF8)
}

fn work() -> Work {
    Work {
        ops: ["blur:ksize=5", "canny"].map(|op| op.parse().unwrap()).to_vec(),
        decode: DecodeOptions {
            limits: Limits { pixels: 1000, ..Limits::DEFAULT },
            depth_8: true,
            strip: true,
        },
        quality: 90,
        strip: true,
        checksum: Checksum::Blake3,
        threads: 1,
        silence_seconds: 30,
        kept_buffers: 1000,
    }
}

fn band(round: usize) -> BandHeader {
    let (rows, input_rows, width) = (2..4, 0..HEIGHT, WIDTH);
    let (channels, height) = (3, HEIGHT);
    let (input, result) = (BandInput::Rows, BandResult::Rows);
    BandHeader {
        image: 1,
        round,
        band: 0,
        rows,
        input_rows,
        input,
        width,
        channels,
        height,
        result,
    }
}

fn image() -> ToRank {
    ToRank::Image {
        image: 1,
        name: "a.png".to_owned(),
        format: Format::Png,
        pixel_bytes: 189,
        files: None,
    }
}

fn messages() -> Seeds {
    fn frame<H: Serialize>(name: &str, header: &H) -> (String, Vec<u8>) {
        (name.to_owned(), write_frame(header, 300).unwrap())
    }
    let facts = HostFacts {
        version: "0.1.0".to_owned(),
        host: "a".to_owned(),
        cpu_list: "0-3".to_owned(),
        allowed_cores: 4,
        host_cores: 8,
        memory_bytes: 1 << 34,
    };
    let (kind, reason) = (FailureKind::NotAnImage, "no".to_owned());
    let failed = ImageResult::Failed { kind, reason: reason.clone() };
    let filtered = Filtered {
        pixels: 9,
        times: RankTimes::default(),
        input: ContentHash::of(b"a"),
        bytes: 300,
        hash: OutputHash::of(Checksum::Sha256, b"b"),
        temporary: Some(".mpix-a".to_owned()),
    };
    let directory = PathBuf::from("/out");
    let token = Some(Token { path: directory.join(".mpix-b"), content: 1 << 100 });
    let seen = FileSeen { bytes: 300, modified_ns: -1, inode: 2 };
    let files = SharedFiles { input: "/a.png".into(), seen, output: "a.png".into() };
    let input = BandInput::Place(InputPlace { path: "/a.ppm".into(), seen, rows_from: 11 });
    let place = OutputPlace { name: ".mpix-c".into(), rows_from: 12 };
    let result = BandResult::Place(Format::Tiff, place);
    let times = RankTimes::default();
    let file = tempfile::tempfile().unwrap();
    let groups = GroupHashes::read((&file, 3), groups_within(&(0..3)), (0, b"abc")).unwrap();
    let made = groups.clone();
    let written =
        ToRank0::Band { image: 1, band: 2, times, groups: groups.clone(), made, is_written: true };
    let mut by_name = image();
    if let ToRank::Image { files: own, .. } = &mut by_name {
        *own = Some(files);
    }
    vec![
        frame("look", &ToRank::Look(SharedOutput { directory, token, umask: 0o22 })),
        frame("sees", &ToRank0::Sees { output: true }),
        frame("filtered", &ToRank0::Filtered { image: 1 }),
        frame("image-by-name", &by_name),
        frame("start", &ToRank::Start(work())),
        frame("image", &image()),
        frame("band", &ToRank::Band(band(0))),
        frame("share", &ToRank::Share { image: 1, band: 2 }),
        frame("stop", &ToRank::Stop),
        frame("hello", &ToRank0::Hello(facts)),
        frame("done", &ToRank0::Image { image: 1, result: ImageResult::Done(filtered) }),
        frame("failed", &ToRank0::Image { image: 1, result: failed }),
        frame("unfit-band", &ToRank0::BandFailed { image: 1, band: 2, kind, reason }),
        frame("partials", &ToRank0::Partials { image: 1, band: 2, times, groups: groups.clone() }),
        frame("band-by-place", &ToRank::Band(BandHeader { input, result, ..band(0) })),
        frame("not-seen-band", &ToRank0::BandNotSeen { image: 1, band: 2 }),
        frame("filtered-band", &ToRank0::BandFiltered { image: 1, band: 2 }),
        frame("written", &written),
        frame("probe", &ToRank::Probe),
        frame("arrived", &ToRank0::Arrived(Arrived { bytes: 1 << 20, busy_us: 900 })),
    ]
}

/// What the rows of a small image tell for canny's global pass.
fn partials() -> Seeds {
    let chain = mpix::ops::Chain::build(&["canny".parse().unwrap()], Simd::scalar()).unwrap();
    let round = chain.rounds().iter().find(|round| round.is_global()).unwrap();
    let pixels = pixels(64, 48, 1);
    let partial = |rows: std::ops::Range<usize>| {
        let input = mpix::band::Band::new(&pixels, 64, 1, 0, 48);
        round.summarize(input, rows).0
    };
    let cuts: Vec<Vec<u8>> = [0..20, 20..21, 21..48].map(partial).to_vec();
    vec![("three-cuts".to_owned(), postcard::to_stdvec(&cuts).unwrap())]
}

fn conversations() -> Seeds {
    let whole = file(Format::Png, WIDTH, HEIGHT, 3);
    let rows_of = |header: &BandHeader| pixels(WIDTH, header.input_rows.len(), header.channels);
    // As the first work of `fuzz/targets/worker.rs` wants it: blur and canny's gradients reach three
    // rows, and the pass over the whole image ends the first round.
    let header = band(0);
    let banded = (ToRank::Band(header.clone()), rows_of(&header));
    let shares: Vec<Vec<u8>> = vec![postcard::to_stdvec(&[true, false]).unwrap()];
    let share = (ToRank::Share { image: 1, band: 0 }, postcard::to_stdvec(&shares).unwrap());
    let conversation = |messages: &[(ToRank, Vec<u8>)]| {
        messages.iter().flat_map(|message| postcard::to_stdvec(message).unwrap()).collect()
    };
    let plain = Work { ops: vec!["invert".parse().unwrap()], ..work() };
    let start = (ToRank::Start(plain), Vec::new());
    let own_rows = BandHeader { input_rows: 2..4, ..band(0) };
    let inverted = (ToRank::Band(own_rows.clone()), rows_of(&own_rows));
    let encoded_rows =
        BandHeader { result: BandResult::Pieces(Format::Tiff, Some(8)), ..own_rows.clone() };
    let encoded = (ToRank::Band(encoded_rows), rows_of(&own_rows));
    let few_rows = BandHeader { result: BandResult::Pieces(Format::Png, None), ..own_rows.clone() };
    let half_a_piece = (ToRank::Band(few_rows), rows_of(&own_rows));
    // Files that hold the rows of the band, and others.
    let slice = |from: usize| {
        let input = BandInput::Slice { first_row: from };
        let header = BandHeader { input, ..own_rows.clone() };
        let slice = (ToRank::Band(header), file(Format::Tiff, WIDTH, HEIGHT - from, 3));
        conversation(&[start.clone(), slice])
    };
    let slices = [1, 3].map(|from| (format!("slice-from-{from}"), slice(from)));
    // Files, which this rank does not see.
    let place = InputPlace {
        path: "/a.ppm".into(),
        seen: FileSeen { bytes: 300, modified_ns: 1, inode: 2 },
        rows_from: 11,
    };
    let by_place = BandHeader { input: BandInput::Place(place), ..own_rows.clone() };
    let by_place = (ToRank::Band(by_place), Vec::new());
    // Rows so far down that the halo rows below them have no numbers.
    let (rows, input_rows) = (usize::MAX - 2..usize::MAX, usize::MAX - 5..usize::MAX);
    let far_down = BandHeader { rows, input_rows, height: usize::MAX, ..band(0) };
    let mut seeds = vec![
        ("far-down".to_owned(), conversation(&[(ToRank::Band(far_down), vec![0; 3 * WIDTH * 5])])),
        ("image".to_owned(), conversation(&[(image(), whole)])),
        ("band-and-share".to_owned(), conversation(&[banded, share])),
        ("encoded".to_owned(), conversation(&[start.clone(), encoded])),
        ("by-place".to_owned(), conversation(&[start.clone(), by_place])),
        ("half-a-piece".to_owned(), conversation(&[start.clone(), half_a_piece])),
        (
            "other-work".to_owned(),
            conversation(&[start.clone(), inverted, (ToRank::Ping { sequence: 1 }, Vec::new())]),
        ),
    ];
    seeds.extend(slices);
    seeds
}

fn ops() -> Seeds {
    let mut seeds = Seeds::new();
    for entry in OPS {
        for (number, sample) in entry.samples.iter().enumerate() {
            let spec: OpSpec = entry.text_of(sample).parse().unwrap();
            seeds.push((format!("{}-{number}", entry.name), spec.to_string().into_bytes()));
        }
    }
    seeds.push(("chain".to_owned(), b"blur\ncanny:low=50,high=100\ninvert".to_vec()));
    seeds
}

fn command_lines() -> Seeds {
    named([
        ("sizes", b"--memory=3 GiB\n--max-failures=10%\n--max-pixels=1000\nin"),
        ("numbers", b"--threads=4\n--band-rows=16\n--image-timeout=9\n--crash-limit=3\nin"),
        ("ops", b"--op=blur:ksize=3\n--op\ngamma:value=2\n--format=png\n--quality=90\na\nb"),
        ("flags", b"-r\n-0\n--files-from=-\n--fresh\n--retry-failed\n--strip\n--depth=8\n-vv\n-n"),
    ])
}

/// An EXIF block with an orientation and a resolution.
fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    block.extend([orientation, 0, 0, 0]);
    block.extend(b"\x1A\x01\x05\0\x01\0\0\0\x26\0\0\0\0\0\0\0\x48\0\0\0\x01\0\0\0");
    block
}

fn big_endian_exif() -> Vec<u8> {
    b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0".to_vec()
}

fn segments() -> Seeds {
    let exif = [b"\xFF\xE1\0\x34Exif\0\0".as_slice(), &exif(6)].concat();
    let part = |number| [b"\xFF\xE2\0\x14ICC_PROFILE\0".as_slice(), &[number, 2], b"abcd"].concat();
    named([
        ("exif", &exif),
        ("profile", &[part(1), part(2)].concat()),
        ("junk", b"\xFF\xE9\0\x03xab\xFF\0c\xFF\xFF"),
        ("frame", b"\xFF\xC0\x00\x0B\x08\x00\x02\x00\x03\x01\x01\x11\x00"),
    ])
}

/// Channels 1 to 4, and one with metadata.
fn of_channels(format: Format) -> Seeds {
    let mut profile = vec![0; 24];
    profile[16..20].copy_from_slice(b"RGB ");
    let metadata = Metadata { icc: Some(profile), exif: Some(exif(8)) };
    let pixels = pixels(WIDTH, HEIGHT, 3);
    let described = encode(&pixels, WIDTH, HEIGHT, 3, &metadata, &options(format)).unwrap();
    let plain =
        (1..=4).map(|channels| (format!("of-{channels}"), file(format, WIDTH, HEIGHT, channels)));
    plain.chain([("described".to_owned(), described)]).collect()
}

fn jpegs() -> Seeds {
    use turbojpeg::Subsamp;
    let mut seeds = of_channels(Format::Jpeg);
    for (name, subsamp) in
        [("444", Subsamp::None), ("422", Subsamp::Sub2x1), ("gray", Subsamp::Gray)]
    {
        seeds.push((name.to_owned(), jpeg(WIDTH, HEIGHT, |to| to.set_subsamp(subsamp))));
    }
    seeds.push(("progressive".to_owned(), jpeg(17, 9, |to| to.set_progressive(true))));
    seeds.push(("arithmetic".to_owned(), jpeg(17, 9, |to| to.set_arithmetic(true))));
    seeds
}

fn pngs() -> Seeds {
    let mut seeds = of_channels(Format::Png);
    for (name, color) in [("gray-16", ColorType::L16), ("rgba-16", ColorType::Rgba16)] {
        seeds.push((name.to_owned(), png_of_16_bits(4, 3, color)));
    }
    seeds
}

fn tiffs() -> Seeds {
    let mut seeds = of_channels(Format::Tiff);
    let mut deep = std::io::Cursor::new(Vec::new());
    let pixels = pixels(8, 3, 3);
    image::write_buffer_with_format(&mut deep, &pixels, 4, 3, ColorType::Rgb16, ImageFormat::Tiff)
        .unwrap();
    seeds.push(("rgb-16".to_owned(), deep.into_inner()));
    seeds
}

/// What `image` writes, and what only others do: a palette, and runs.
fn bmps() -> Seeds {
    let mut seeds = of_channels(Format::Bmp);
    let header = |bits: u8, compression: u8, palette: &[u8], data: &[u8]| {
        let offset = u8::try_from(54 + palette.len()).unwrap();
        let mut file = b"BM\0\0\0\0\0\0\0\0".to_vec();
        file.extend([offset, 0, 0, 0, 40, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 1, 0, bits, 0]);
        file.extend([compression, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        file.extend([u8::try_from(palette.len() / 4).unwrap(), 0, 0, 0, 0, 0, 0, 0]);
        file.extend([palette, data].concat());
        file
    };
    let colours = [0, 0, 255, 0, 9, 9, 9, 0];
    seeds.push(("palette".to_owned(), header(8, 0, &colours, &[0, 1, 0, 1, 1, 0, 1, 0])));
    let runs = [2, 1, 0, 2, 1, 0, 1, 0, 0, 3, 0, 1, 0, 0, 0, 0, 0, 1];
    seeds.push(("runs-of-8".to_owned(), header(8, 1, &colours, &runs)));
    seeds
        .push(("runs-of-4".to_owned(), header(4, 2, &colours, &[4, 0x01, 0, 0, 0, 2, 1, 0, 0, 1])));
    seeds
}

fn pnms() -> Seeds {
    let mut seeds = of_channels(Format::Pnm);
    seeds.extend(named([
        ("plain-bits", b"P1\n# a comment\n3 2\n1 0 1 0 1 0\n"),
        ("plain-grays", b"P2 3 2 15 1 2 3 4 5 15\n"),
        ("plain-colours", b"P3 1 2 255 1 2 3 4 5 255\n"),
        ("bits", b"P4 9 2 \xFF\x80\x00\x00"),
        ("grays-of-16", b"P5 2 1 65535\n\x01\x02\x03\x04"),
    ]));
    seeds
}
