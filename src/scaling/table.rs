//! A plan, for people and for programs.

use std::io::{self, Write};

use serde_json::json;

use super::{Plan, Row};
use crate::error::on_one_line;
use crate::plan::ImageLoad;

/// The mean of something of all images.
fn mean(loads: &[ImageLoad], of: impl Fn(&ImageLoad) -> f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    let count = loads.len().max(1) as f64;
    loads.iter().map(of).sum::<f64>() / count
}

fn way(row: &Row) -> &'static str {
    if row.in_bands { "bands" } else { "images" }
}

pub(super) fn print(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    let loads = &plan.trials.loads;
    for failure in &plan.trials.failed {
        writeln!(out, "not measured: {}", on_one_line(failure))?;
    }
    if loads.is_empty() {
        return writeln!(out, "no image could be measured");
    }
    let mega = |of: fn(&ImageLoad) -> f64| mean(loads, of) / 1e6;
    let (pixels, read, written) =
        (mega(|load| load.pixels), mega(|load| load.bytes.0), mega(|load| load.bytes.1));
    let decode = mega(|load| load.pixels * load.cost.decode);
    let filter = mega(|load| load.pixels * load.cost.filter);
    let encode = mega(|load| load.pixels * load.cost.encode);
    let (measured, tried) = (plan.trials.measured, loads.len());
    let images = plan.images;
    writeln!(
        out,
        "job       {images} images of {pixels:.1} megapixels, {read:.1} MB read and {written:.1} \
         MB written for each"
    )?;
    writeln!(
        out,
        "image     {:.1} ms of one core: {decode:.1} decoding, {filter:.1} filtering, {encode:.1} \
         encoding ({measured} of {tried} looked at were measured here)",
        decode + filter + encode
    )?;
    writeln!(
        out,
        "cluster   {} threads a rank, {:.1} Gbit/s a host each way",
        plan.threads,
        plan.link * 8.0
    )?;
    writeln!(out)?;
    writeln!(
        out,
        "{:>7} {:>7} {:>12} {:>12} {:>11}  {:<7} held up by",
        "ranks", "hosts", "images/s", "seconds", "efficiency", "in"
    )?;
    for row in &plan.rows {
        writeln!(
            out,
            "{:>7} {:>7} {:>12.1} {:>12.1} {:>11.2}  {:<7} {}",
            row.ranks,
            row.hosts,
            row.rate,
            row.seconds,
            row.efficiency,
            way(row),
            row.bottleneck
        )?;
    }
    writeln!(out)?;
    match plan.first {
        Some((ranks, bottleneck)) => writeln!(
            out,
            "from {ranks} ranks on, more of them do not help: the run waits for {bottleneck}"
        ),
        None => writeln!(out, "up to the last row, more ranks help: the run waits for cores"),
    }
}

pub(super) fn print_json(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    let loads = &plan.trials.loads;
    let rows: Vec<_> = plan
        .rows
        .iter()
        .map(|row| {
            json!({
                "ranks": row.ranks,
                "hosts": row.hosts,
                "seconds": row.seconds,
                "images_per_s": row.rate,
                "efficiency": row.efficiency,
                "distribution": way(row),
                "bottleneck": row.bottleneck.to_string(),
            })
        })
        .collect();
    let plan = json!({
        "images": plan.images,
        "measured": plan.trials.measured,
        "failed": plan.trials.failed,
        "threads_per_rank": plan.threads,
        "network_bits_per_s": plan.link * 8e9,
        "image": {
            "pixels": mean(loads, |load| load.pixels),
            "read_bytes": mean(loads, |load| load.bytes.0),
            "written_bytes": mean(loads, |load| load.bytes.1),
            "decode_ns_per_pixel": mean(loads, |load| load.cost.decode),
            "filter_ns_per_pixel": mean(loads, |load| load.cost.filter),
            "encode_ns_per_pixel": mean(loads, |load| load.cost.encode),
        },
        "rows": rows,
        "first_bottleneck": plan.first.map(|(ranks, bottleneck)| json!({
            "ranks": ranks, "bottleneck": bottleneck.to_string(),
        })),
    });
    serde_json::to_writer_pretty(&mut *out, &plan)?;
    writeln!(out)
}
