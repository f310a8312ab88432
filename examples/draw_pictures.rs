//! Draws landscapes: `draw_pictures DIR COUNT WIDTH HEIGHT` writes JPEG files of quality 95.

use std::path::PathBuf;

use anyhow::Context;
use mpix::image_file::{EncodeOptions, Format, Metadata, encode};
use rayon::prelude::*;

#[path = "../tests/pictures/mod.rs"]
mod pictures;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("usage: draw_pictures DIR COUNT WIDTH HEIGHT");
    let directory = PathBuf::from(next()?);
    let (count, width, height): (u32, usize, usize) =
        (next()?.parse()?, next()?.parse()?, next()?.parse()?);
    std::fs::create_dir_all(&directory)?;
    let options = EncodeOptions { format: Format::Jpeg, quality: 95, strip: true };
    (0..count).into_par_iter().try_for_each(|number| {
        let pixels = pictures::landscape(width, height, number);
        let file = encode(&pixels, width, height, 3, &Metadata::default(), &options)?;
        let name = format!("landscape-{number:04}.jpg");
        mpix::source::write_whole(&directory, name.as_ref(), &file)?;
        anyhow::Ok(())
    })
}
