//! Reads and writes PGM, PPM and PAM: a short header and the pixels as they are, of any size.

use std::io::{BufRead, Seek};

use image::codecs::pnm::{PnmDecoder, PnmSubtype, SampleEncoding};

use super::raw_rows::Places;

/// Where the pixels stand, if they are binary samples that use all of 8 bits.
pub(super) fn places<R: BufRead + Seek>(reader: &mut R) -> Option<Places> {
    let (reader, header) = PnmDecoder::new(reader).ok()?.into_inner();
    let is_bytes = match header.subtype() {
        PnmSubtype::Graymap(SampleEncoding::Binary)
        | PnmSubtype::Pixmap(SampleEncoding::Binary)
        | PnmSubtype::ArbitraryMap => header.maximal_sample() == 255,
        PnmSubtype::Bitmap(_) | PnmSubtype::Graymap(_) | PnmSubtype::Pixmap(_) => false,
    };
    let strip_rows = (header.height() as usize).max(1);
    is_bytes
        .then(|| reader.stream_position().ok())
        .flatten()
        .map(|start| Places { strips: vec![start], strip_rows })
}

/// What stands before the pixels: PGM or PPM, or PAM if there is alpha.
pub(super) fn header((width, height, channels): (usize, usize, usize)) -> String {
    match channels {
        1 => format!("P5\n{width} {height}\n255\n"),
        3 => format!("P6\n{width} {height}\n255\n"),
        2 => pam_header(width, height, channels, "GRAYSCALE_ALPHA"),
        _ => pam_header(width, height, channels, "RGB_ALPHA"),
    }
}

fn pam_header(width: usize, height: usize, channels: usize, tuple_type: &str) -> String {
    format!(
        "P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL 255\n\
         TUPLTYPE {tuple_type}\nENDHDR\n"
    )
}
