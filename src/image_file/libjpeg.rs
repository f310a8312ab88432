//! libjpeg-turbo, row by row: what `libjpeg.c` offers, made safe.

#![expect(unsafe_code, reason = "calls of C")]

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_int, c_long, c_uint};
use std::ptr::NonNull;

use super::jpeg_planes::{self, FromPlanes, ToPlanes};
use super::libjpeg_blocks::Unit;
use super::libjpeg_dct::{FromBlocks, ToBlocks};
use super::writer::emptied;
use crate::simd::Simd;

// The crate that links libjpeg-turbo.
use turbojpeg_sys as _;

/// A `struct mpix_jpeg`.
#[repr(C)]
pub(super) struct Opaque([u8; 0]);

unsafe extern "C" {
    fn mpix_jpeg_new(most_scans: c_int) -> *mut Opaque;
    fn mpix_jpeg_read_header(
        jpeg: *mut Opaque,
        file: *const u8,
        length: usize,
        header: *mut [c_uint; 3],
    ) -> c_int;
    fn mpix_jpeg_start_reading(
        jpeg: *mut Opaque,
        shrink: c_uint,
        in_planes: *mut c_int,
        size: *mut [c_uint; 2],
    ) -> c_int;
    fn mpix_jpeg_read_rows(
        jpeg: *mut Opaque,
        rows: *mut u8,
        row_length: usize,
        count: usize,
    ) -> c_int;
    fn mpix_jpeg_read_planes(jpeg: *mut Opaque, planes: *mut u8, row_length: usize) -> c_int;
    fn mpix_jpeg_end_reading(jpeg: *mut Opaque) -> c_int;
    fn mpix_jpeg_start_writing(
        jpeg: *mut Opaque,
        file: *mut u8,
        room: usize,
        header: *const [c_uint; 3],
        quality: c_int,
        restart_rows: c_int,
        in_planes: c_int,
    ) -> c_int;
    fn mpix_jpeg_write_rows(
        jpeg: *mut Opaque,
        rows: *const u8,
        row_length: usize,
        count: usize,
    ) -> c_int;
    fn mpix_jpeg_write_planes(jpeg: *mut Opaque, planes: *const u8, row_length: usize) -> c_int;
    fn mpix_jpeg_end_writing(jpeg: *mut Opaque, left: *mut usize) -> c_int;
    fn mpix_jpeg_warnings(jpeg: *const Opaque) -> c_long;
    fn mpix_jpeg_message(jpeg: *const Opaque) -> *const c_char;
    fn mpix_jpeg_free(jpeg: *mut Opaque);
}

/// What libjpeg-turbo says of a call that failed.
pub(super) type Fault = String;

/// Columns and rows of a picture, and bytes in a pixel.
pub(super) type Shape = (usize, usize, usize);

/// A compressor or decompressor; alive as long as no call has failed.
struct Codec {
    opaque: NonNull<Opaque>,
    alive: bool,
}

impl Codec {
    fn new(most_scans: c_int) -> Result<Self, Fault> {
        // SAFETY: it takes any number.
        let opaque = unsafe { mpix_jpeg_new(most_scans) };
        let opaque = NonNull::new(opaque).ok_or("there is no memory for its codec")?;
        Ok(Self { opaque, alive: true })
    }

    /// Makes a call, unless one has failed before.
    fn call(&mut self, call: impl FnOnce(*mut Opaque) -> c_int) -> Result<(), Fault> {
        if self.alive && call(self.opaque.as_ptr()) != 0 {
            return Ok(());
        }
        self.alive = false;
        Err(self.message())
    }

    /// The error that ended a call, or the first warning.
    fn message(&self) -> String {
        // SAFETY: the text is the codec's own and ends with a 0; it is copied while the codec is
        // borrowed.
        unsafe { CStr::from_ptr(mpix_jpeg_message(self.opaque.as_ptr())) }
            .to_string_lossy()
            .into_owned()
    }

    /// The first warning, if there was any.
    fn warning(&self) -> Option<String> {
        // SAFETY: the codec lives as long as `self`.
        let warnings = unsafe { mpix_jpeg_warnings(self.opaque.as_ptr()) };
        (warnings > 0).then(|| self.message())
    }
}

impl Drop for Codec {
    fn drop(&mut self) {
        // SAFETY: nobody else has the pointer, and nothing is called with it any more.
        unsafe { mpix_jpeg_free(self.opaque.as_ptr()) };
    }
}

/// Gives the rows of a file.
pub(super) struct Reader<'f> {
    codec: Codec,
    shape: Shape,
    rows_left: usize,
    /// What the codec has blocks decoded by.
    unit: Option<Box<Unit>>,
    /// What the codec has samples made by, and where these become colours, if not in the codec.
    blocks: Option<Box<FromBlocks>>,
    planes: Option<Box<FromPlanes>>,
    /// The codec reads in it.
    _file: Cow<'f, [u8]>,
}

impl<'f> Reader<'f> {
    /// Reads the header of `file`, which may have `most_scans` scans. A warning is a fault.
    ///
    /// Its pixels will have 1 byte (gray), 3 (RGB) or 4 (inks).
    pub(super) fn new(file: Cow<'f, [u8]>, most_scans: c_int) -> Result<Self, Fault> {
        let mut codec = Codec::new(most_scans)?;
        let mut header = [0; 3];
        // SAFETY: the codec is one that reads, as `most_scans` is not 0; `file` neither moves nor
        // changes while it has the codec beside it; `header` is as large as C takes it to be.
        codec.call(|jpeg| unsafe {
            mpix_jpeg_read_header(jpeg, file.as_ptr(), file.len(), &raw mut header)
        })?;
        if let Some(warning) = codec.warning() {
            return Err(warning);
        }
        let [width, height, channels] = header.map(|value| value as usize);
        if channels == 0 {
            return Err("Could not determine colorspace of JPEG image".to_owned());
        }
        let shape = (width, height, channels);
        let rows_left = 0;
        Ok(Self { codec, shape, rows_left, unit: None, blocks: None, planes: None, _file: file })
    }

    /// Columns, rows, and bytes in a pixel.
    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Gets ready to give the first row of the picture, or of one that is 2, 4 or 8 times smaller. This
    /// may take memory for the whole picture.
    pub(super) fn start(&mut self, shrink: u8) -> Result<(), Fault> {
        let simd = Simd::detect();
        self.start_with(worth_planes(simd).then_some(simd), shrink)?;
        // SAFETY: no row was read yet; the unit is dropped behind the codec.
        self.unit = unsafe { Unit::take_over(self.codec.opaque.as_ptr()) };
        Ok(())
    }

    /// As `start`, but libjpeg-turbo decodes the codes of all blocks. It makes samples and colours of them,
    /// too, unless there is a level for planes, and the picture is of the kind.
    fn start_with(&mut self, planes: Option<Simd>, shrink: u8) -> Result<(), Fault> {
        let (mut in_planes, mut size) = (c_int::from(planes.is_some()), [0; 2]);
        let start = |jpeg| {
            // SAFETY: the codec has read its header, and its file is there; `in_planes` and `size` are
            // what C takes them to be.
            unsafe {
                let (in_planes, size) = (&raw mut in_planes, &raw mut size);
                mpix_jpeg_start_reading(jpeg, shrink.into(), in_planes, size)
            }
        };
        self.codec.call(start)?;
        let [width, height] = size.map(|side| side as usize);
        self.shape = (width, height, self.shape.2);
        self.rows_left = height;
        if let Some(simd) = planes.filter(|_| in_planes != 0) {
            self.planes = Some(Box::new(FromPlanes::new(simd, width, height)));
            // SAFETY: no planes were read yet; the blocks are dropped behind the codec.
            self.blocks = unsafe { FromBlocks::take_over(simd, self.codec.opaque.as_ptr()) };
        }
        Ok(())
    }

    /// Reads the next rows, as many as `rows` holds.
    ///
    /// # Panics
    /// When `rows` are no whole rows, or more than are left.
    pub(super) fn read(&mut self, rows: &mut [u8]) -> Result<(), Fault> {
        let (width, _, channels) = self.shape;
        let count = rows_in(rows, width * channels);
        assert!(count <= self.rows_left, "{count} rows of {}", self.rows_left);
        self.rows_left -= count;
        if let Some(planes) = &mut self.planes {
            return planes.give(rows, |planes| read_planes(&mut self.codec, width, planes));
        }
        // SAFETY: rows are left only behind `start`; `rows` holds `count` of `width * channels`
        // bytes, which is what the codec gives.
        self.codec.call(|jpeg| unsafe {
            mpix_jpeg_read_rows(jpeg, rows.as_mut_ptr(), width * channels, count)
        })
    }

    /// Reads what stands behind the last row. Gives the first of all warnings.
    ///
    /// # Panics
    /// When rows are left.
    pub(super) fn end(mut self) -> Result<Option<String>, Fault> {
        assert!(self.rows_left == 0, "{} rows are left", self.rows_left);
        // SAFETY: as for `read`.
        self.codec.call(|jpeg| unsafe { mpix_jpeg_end_reading(jpeg) })?;
        Ok(self.codec.warning())
    }
}

/// Makes a file of rows.
pub(super) struct Writer {
    codec: Codec,
    shape: Shape,
    rows_left: usize,
    /// Where colours become luma and chroma, if not in the codec.
    planes: Option<Box<ToPlanes>>,
    /// What the codec has coefficients made by.
    _blocks: Option<Box<ToBlocks>>,
    /// The codec writes to its memory; its length is 0 until the end.
    file: Vec<u8>,
}

impl Writer {
    /// A writer of a picture of pixels of 1 byte (gray), 3 (RGB) or 4 (RGB and one that does not
    /// count), to a file of this quality, 4:2:0, in the memory of `recycled` if that is large enough;
    /// with a restart marker behind each row of blocks, if these are to stand alone.
    ///
    /// # Panics
    /// When there can be no such picture.
    pub(super) fn new(
        shape: Shape,
        quality: u8,
        is_restarted: bool,
        recycled: Vec<u8>,
    ) -> Result<Self, Fault> {
        let simd = Simd::detect();
        let planes = (worth_planes(simd) && shape.2 > 1).then(|| ToPlanes::new(simd, shape));
        Self::with(planes, shape, quality, is_restarted, recycled)
    }

    /// The same; where there are `planes`, they take the rows for the codec.
    fn with(
        planes: Option<ToPlanes>,
        shape: Shape,
        quality: u8,
        is_restarted: bool,
        recycled: Vec<u8>,
    ) -> Result<Self, Fault> {
        let (width, height, channels) = shape;
        assert!(matches!(channels, 1 | 3 | 4), "{channels} channels");
        let room = most_bytes(shape).ok_or("it has too many pixels")?;
        let header = [width, height, channels].map(c_uint::try_from);
        let [Ok(width), Ok(height), Ok(channels)] = header else {
            return Err("it has too many pixels".to_owned());
        };
        // As long as the file can be at most. What is not written to takes no memory.
        let mut file = emptied(recycled, room);
        let mut codec = Codec::new(0)?;
        let (header, quality) = ([width, height, channels], c_int::from(quality.clamp(1, 100)));
        let (restart_rows, in_planes) = (c_int::from(is_restarted), c_int::from(planes.is_some()));
        // SAFETY: the codec is one that writes; `file` has that much room, and its memory is freed
        // or moved only when the codec is not called any more.
        codec.call(|jpeg| unsafe {
            let (file, header) = (file.as_mut_ptr(), &raw const header);
            mpix_jpeg_start_writing(jpeg, file, room, header, quality, restart_rows, in_planes)
        })?;
        let simd = planes.as_ref().map(ToPlanes::simd);
        // SAFETY: no planes were written yet; the blocks are dropped behind the codec.
        let blocks =
            simd.and_then(|simd| unsafe { ToBlocks::take_over(simd, codec.opaque.as_ptr()) });
        let planes = planes.map(Box::new);
        Ok(Self { codec, shape, rows_left: shape.1, planes, _blocks: blocks, file })
    }

    /// Writes the next rows.
    ///
    /// # Panics
    /// When `rows` are no whole rows, or more than are left.
    pub(super) fn write(&mut self, rows: &[u8]) -> Result<(), Fault> {
        let (width, _, channels) = self.shape;
        let count = rows_in(rows, width * channels);
        assert!(count <= self.rows_left, "{count} rows of {}", self.rows_left);
        self.rows_left -= count;
        if let Some(planes) = &mut self.planes {
            return planes.take(rows, |planes| write_planes(&mut self.codec, width, planes));
        }
        // SAFETY: `rows` holds `count` rows of `width * channels` bytes, which is what the codec
        // takes; the file that it writes to is there.
        self.codec.call(|jpeg| unsafe {
            mpix_jpeg_write_rows(jpeg, rows.as_ptr(), width * channels, count)
        })
    }

    /// Ends the file.
    ///
    /// # Panics
    /// When rows are left.
    pub(super) fn end(mut self) -> Result<Vec<u8>, Fault> {
        assert!(self.rows_left == 0, "{} rows are left", self.rows_left);
        let (width, ..) = self.shape;
        if let Some(planes) = &mut self.planes {
            planes.end(|planes| write_planes(&mut self.codec, width, planes))?;
        }
        let (room, mut left) = (most_bytes(self.shape).unwrap_or(0), 0);
        // SAFETY: as for `write`; `left` is a `size_t`.
        self.codec.call(|jpeg| unsafe { mpix_jpeg_end_writing(jpeg, &raw mut left) })?;
        // SAFETY: all of its room but the last `left` bytes was written to.
        unsafe { self.file.set_len(room.saturating_sub(left)) };
        Ok(self.file)
    }
}

/// Whether colours are made faster here than by libjpeg-turbo, which has nothing beyond AVX2.
fn worth_planes(simd: Simd) -> bool {
    simd.has_dot_products()
}

/// Reads the planes of the next row of units, of a picture of `width` columns.
fn read_planes(codec: &mut Codec, width: usize, planes: &mut [u8]) -> Result<(), Fault> {
    let row_length = jpeg_planes::row_length(width, planes);
    // SAFETY: `planes` holds 16 rows of luma and 16 of chroma, which have half the length: whole units of
    // the picture that the codec was started for, to be read in planes; a row of them is left.
    codec.call(|jpeg| unsafe { mpix_jpeg_read_planes(jpeg, planes.as_mut_ptr(), row_length) })
}

/// Writes the planes of the next row of units, of a picture of `width` columns.
fn write_planes(codec: &mut Codec, width: usize, planes: &[u8]) -> Result<(), Fault> {
    let row_length = jpeg_planes::row_length(width, planes);
    // SAFETY: as for `read_planes`, but to be written; the file that it writes to is there.
    codec.call(|jpeg| unsafe { mpix_jpeg_write_planes(jpeg, planes.as_ptr(), row_length) })
}

/// Rows of `row_length` bytes in `rows`.
fn rows_in(rows: &[u8], row_length: usize) -> usize {
    let count = rows.len() / row_length;
    assert!(count * row_length == rows.len(), "{} bytes are no whole rows", rows.len());
    count
}

/// The most bytes that a file of such a picture can have, whatever its pixels are.
fn most_bytes((width, height, channels): Shape) -> Option<usize> {
    const GRAY: c_int = turbojpeg_sys::TJSAMP_TJSAMP_GRAY as c_int;
    const COLOUR: c_int = turbojpeg_sys::TJSAMP_TJSAMP_420 as c_int;
    let subsamp = if channels == 1 { GRAY } else { COLOUR };
    let (width, height) = (c_int::try_from(width).ok()?, c_int::try_from(height).ok()?);
    // SAFETY: it takes any numbers, and gives 0 for those that it does not like.
    let bytes = unsafe { turbojpeg_sys::tj3JPEGBufSize(width, height, subsamp) };
    let bytes = usize::try_from(bytes).ok().filter(|&bytes| bytes > 0)?;
    // A marker and padding behind each row of blocks, which have 8 rows at least.
    Some(bytes + usize::try_from(height).ok()?.div_ceil(8) * 4)
}

#[cfg(test)]
mod tests {
    use turbojpeg::{Colorspace, Compressor, Image, PixelFormat, Subsamp};

    use super::*;

    const SIZE: (usize, usize) = (157, 93);

    /// Numbers that look random and are the same in every test run.
    struct Dice(u32);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 = self.0.wrapping_mul(0x01_9660D).wrapping_add(0x3C6E_F35F);
            (self.0 >> 8) as usize % sides
        }

        fn byte(&mut self) -> u8 {
            self.roll(256).to_le_bytes()[0]
        }
    }

    /// A file of noise, which is as varied as blocks can be, or of little but zeros.
    fn file(
        is_noise: bool,
        quality: i32,
        set: impl FnOnce(&mut Compressor) -> turbojpeg::Result<()>,
    ) -> Vec<u8> {
        let (width, height) = SIZE;
        let mut dice = Dice(1);
        let pixels: Vec<u8> = (0..width * height * 3)
            .map(|at| if is_noise { dice.byte() } else { (at / 900).to_le_bytes()[0] })
            .collect();
        let mut compressor = Compressor::new().unwrap();
        compressor.set_quality(quality).unwrap();
        set(&mut compressor).unwrap();
        let (pitch, format) = (width * 3, PixelFormat::RGB);
        compressor
            .compress_to_vec(Image { pixels: &pixels[..], width, pitch, height, format })
            .unwrap()
    }

    /// Rows of a file, and the first warning.
    type Read = Result<(Vec<u8>, Option<String>), Fault>;

    /// What a reader gives once it is started, and whether units of the file were taken over.
    fn read(file: &[u8], start: impl Fn(&mut Reader<'_>) -> Result<(), Fault>) -> (Read, bool) {
        let (mut dice, mut was_taken) = (Dice(5), false);
        let mut rows = || {
            let mut reader = Reader::new(file.into(), 500)?;
            start(&mut reader)?;
            was_taken = reader.unit.is_some();
            let (width, height, channels) = reader.shape();
            let (stride, mut rows) = (width * channels, vec![0; width * height * channels]);
            let mut rest = &mut rows[..];
            while !rest.is_empty() {
                let next = rest.len().min(dice.roll(40) * stride);
                reader.read(rest.split_off_mut(..next).unwrap())?;
            }
            // How many bytes are skipped depends on how many have become bits before, ahead of time.
            let is_told = |warning: &String| !warning.contains(" extraneous bytes before marker ");
            Ok((rows, reader.end()?.filter(is_told)))
        };
        (rows(), was_taken)
    }

    fn assert_is_the_same(file: &[u8], shrink: u8, name: &str) -> bool {
        let (alone, _) = read(file, |reader| reader.start_with(None, shrink));
        let (taken, was_taken) = read(file, |reader| reader.start(shrink));
        assert!(alone == taken, "{name}");
        for simd in Simd::all() {
            let (in_planes, _) = read(file, |reader| reader.start_with(Some(simd), shrink));
            assert!(alone == in_planes, "{name}, {simd}");
        }
        was_taken
    }

    /// Files of each kind of codes, by their names, and whether their units can be taken over.
    fn files() -> Vec<(&'static str, Vec<u8>, bool)> {
        let of = Subsamp::Sub2x2;
        vec![
            ("4:2:0", file(true, 95, |codec| codec.set_subsamp(of)), true),
            ("4:2:0, quality 100", file(true, 100, |codec| codec.set_subsamp(of)), true),
            ("4:2:0, quality 5", file(true, 5, |codec| codec.set_subsamp(of)), true),
            ("4:2:0, smooth", file(false, 90, |codec| codec.set_subsamp(of)), true),
            ("4:2:0, other steps", with_steps(of, [0, 1, 255, 3]), true),
            ("4:2:0, steps beyond bytes", with_steps(of, [300, 40_000, 65_535, 16]), true),
            ("4:4:4", file(true, 90, |codec| codec.set_subsamp(Subsamp::None)), true),
            ("4:2:2", file(true, 90, |codec| codec.set_subsamp(Subsamp::Sub2x1)), true),
            ("4:1:1", file(true, 90, |codec| codec.set_subsamp(Subsamp::Sub4x1)), true),
            ("gray", file(true, 90, |codec| codec.set_subsamp(Subsamp::Gray)), true),
            ("RGB", file(true, 90, |codec| codec.set_colorspace(Colorspace::RGB)), true),
            ("own tables", file(true, 90, |codec| codec.set_optimize(true)), true),
            ("with markers", with_markers(), true),
            ("progressive 4:2:0", progressive(of), false),
            ("progressive 4:4:4", progressive(Subsamp::None), false),
            ("arithmetic", file(true, 90, |codec| codec.set_arithmetic(true)), false),
        ]
    }

    /// One whose coefficients have these steps by turns, in 16 bits.
    fn with_steps(of: Subsamp, steps: [u16; 4]) -> Vec<u8> {
        let file = file(true, 95, |codec| codec.set_subsamp(of));
        let (mut made, mut at) = (file[..2].to_vec(), 2);
        while file[at + 1] != 0xDA {
            let end = at + 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
            match file[at + 1] {
                0xDB => {
                    for table in file[at + 4..end].chunks(65) {
                        made.extend([0xFF, 0xDB, 0, 131, 0x10 | table[0]]);
                        made.extend((0..64).flat_map(|at| steps[at % 4].to_be_bytes()));
                    }
                }
                _ => made.extend_from_slice(&file[at..end]),
            }
            at = end;
        }
        made.extend_from_slice(&file[at..]);
        made
    }

    fn progressive(of: Subsamp) -> Vec<u8> {
        file(true, 90, |codec| codec.set_subsamp(of).and_then(|()| codec.set_progressive(true)))
    }

    /// One whose rows of blocks stand alone.
    fn with_markers() -> Vec<u8> {
        let (width, height) = SIZE;
        let mut writer = Writer::new((width, height, 3), 90, true, Vec::new()).unwrap();
        let rows: Vec<u8> =
            (0..width * height * 3).map(|at| (at * at / 7).to_le_bytes()[0]).collect();
        writer.write(&rows).unwrap();
        writer.end().unwrap()
    }

    #[test]
    fn units_that_are_taken_over_become_the_same_rows() {
        for (name, file, can_be_taken) in files() {
            for shrink in [1, 2, 4, 8] {
                let was_taken = assert_is_the_same(&file, shrink, &format!("{name} / {shrink}"));
                assert_eq!(was_taken, can_be_taken, "{name}");
            }
        }
    }

    /// Sizes with all kinds of edges.
    fn sizes() -> impl Iterator<Item = (usize, usize)> {
        let sides = [1, 2, 3, 4, 5, 6, 15, 16, 17, 31, 33, 63, 64, 65, 129, 150];
        sides.into_iter().flat_map(move |width| sides.map(|height| (width, height)))
    }

    #[test]
    fn planes_become_the_same_rows() {
        let mut dice = Dice(2);
        for (width, height) in sizes() {
            let (shape, quality) = ((width, height, 3), [100, 95, 40][dice.roll(3)]);
            let pixels: Vec<u8> = (0..width * height * 3).map(|_| dice.byte()).collect();
            let mut writer = Writer::with(None, shape, quality, false, Vec::new()).unwrap();
            writer.write(&pixels).unwrap();
            let file = writer.end().unwrap();
            let rows = |planes| {
                read(&file, |reader| {
                    reader.start_with(planes, 1)?;
                    let are_used = planes.is_some() && width > 4;
                    assert_eq!(reader.planes.is_some(), are_used, "{shape:?}");
                    assert_eq!(reader.blocks.is_some(), are_used, "{shape:?}");
                    Ok(())
                })
                .0
            };
            let plain = rows(None);
            for simd in Simd::all() {
                assert!(rows(Some(simd)) == plain, "{shape:?} at quality {quality}, {simd}");
            }
        }
    }

    #[test]
    fn planes_become_the_same_file() {
        let mut dice = Dice(3);
        for (width, height) in sizes() {
            let (channels, quality, is_restarted) =
                (3 + dice.roll(2), [100, 95, 40][dice.roll(3)], dice.roll(2) == 0);
            let (shape, stride) = ((width, height, channels), width * channels);
            let pixels: Vec<u8> = (0..stride * height).map(|_| dice.byte()).collect();
            let mut file = |planes| {
                let mut writer =
                    Writer::with(planes, shape, quality, is_restarted, Vec::new()).unwrap();
                assert_eq!(writer._blocks.is_some(), writer.planes.is_some(), "{shape:?}");
                let mut rows = &pixels[..];
                while !rows.is_empty() {
                    let (next, rest) = rows.split_at(rows.len().min(dice.roll(40) * stride));
                    writer.write(next).unwrap();
                    rows = rest;
                }
                writer.end().unwrap()
            };
            let plain = file(None);
            for simd in Simd::all() {
                let is_same = file(Some(ToPlanes::new(simd, shape))) == plain;
                assert!(is_same, "{shape:?} at quality {quality}, {simd}");
            }
        }
    }

    #[test]
    fn broken_files_become_the_same_rows_and_warnings() {
        let mut dice = Dice(7);
        for (name, whole, _) in files() {
            for round in 0..150 {
                let mut file = whole.clone();
                let data = 640 + dice.roll(file.len() - 640);
                match round % 3 {
                    0 => file[data] = dice.byte(),
                    1 => file[data - 2..data]
                        .copy_from_slice(&[255, [0xC4, 0xD3, 0xD9][dice.roll(3)]]),
                    _ => file.truncate(data),
                }
                assert_is_the_same(&file, 1, &format!("{name}, round {round}"));
            }
        }
    }
}
