//! The rows of a PNG file, one after the other.

use image::ImageFormat;
use image::error::{
    DecodingError, ImageError as Fault, LimitError, LimitErrorKind, ParameterError,
    ParameterErrorKind,
};
use png::{Decoder, DecodingError as PngError, Limits, Transformations};

use super::Format;
use super::decode::from_image;
use super::row_reader::RowReader;
use super::source::ReadSeek;
use crate::error::ImageError;

/// Gives the rows of a file that is neither interlaced nor an animation; of samples of 16 bits, the
/// upper 8.
pub(super) struct Reader<'f> {
    rows: png::Reader<Box<dyn ReadSeek + 'f>>,
    row_bytes: usize,
}

impl<'f> Reader<'f> {
    /// A reader of a file whose header was read before; the decoder may take so many bytes.
    pub(super) fn new(
        reader: Box<dyn ReadSeek + 'f>,
        row_bytes: usize,
        most_bytes: u64,
    ) -> Result<Self, ImageError> {
        let bytes = usize::try_from(most_bytes).unwrap_or(usize::MAX);
        let mut decoder = Decoder::new_with_limits(reader, Limits { bytes });
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
        let rows = decoder.read_info().map_err(from_png)?;
        Ok(Self { rows, row_bytes })
    }
}

impl RowReader for Reader<'_> {
    fn read(&mut self, rows: &mut [u8]) -> Result<(), ImageError> {
        for row in rows.chunks_exact_mut(self.row_bytes) {
            self.rows.read_row(row).map_err(from_png)?;
        }
        Ok(())
    }

    /// Reads to the end of the compressed data, and compares its sum.
    fn end(mut self: Box<Self>) -> Result<(), ImageError> {
        self.rows.read_row(&mut []).map_err(from_png)?;
        Ok(())
    }
}

/// The error that `image` makes of one of `png`, as an error of ours.
fn from_png(error: PngError) -> ImageError {
    let fault = match error {
        PngError::IoError(error) => Fault::IoError(error),
        PngError::LimitsExceeded => {
            Fault::Limits(LimitError::from_kind(LimitErrorKind::InsufficientMemory))
        }
        error @ PngError::Parameter(_) => Fault::Parameter(ParameterError::from_kind(
            ParameterErrorKind::Generic(error.to_string()),
        )),
        error @ PngError::Format(_) => {
            Fault::Decoding(DecodingError::new(ImageFormat::Png.into(), error))
        }
    };
    from_image(Format::Png, fault)
}
