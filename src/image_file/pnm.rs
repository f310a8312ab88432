//! Writes PGM, PPM and, with alpha, PAM: a short header and the pixels as they are, of any size.

/// A binary PNM file.
pub(super) fn encode(pixels: &[u8], width: usize, height: usize, channels: usize) -> Vec<u8> {
    let header = match channels {
        1 => format!("P5\n{width} {height}\n255\n"),
        3 => format!("P6\n{width} {height}\n255\n"),
        2 => pam_header(width, height, channels, "GRAYSCALE_ALPHA"),
        _ => pam_header(width, height, channels, "RGB_ALPHA"),
    };
    [header.as_bytes(), pixels].concat()
}

fn pam_header(width: usize, height: usize, channels: usize, tuple_type: &str) -> String {
    format!(
        "P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL 255\n\
         TUPLTYPE {tuple_type}\nENDHDR\n"
    )
}
