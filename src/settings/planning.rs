//! Settings of a plan.

use std::num::NonZero;

use super::{RunSettings, run_of};
use crate::cli::PlanArgs;
use crate::error::UsageError;

/// Ranks of a plan at the most.
const MOST_RANKS: usize = 1 << 20;

/// A checked `mpix plan`.
#[derive(Clone, Debug)]
pub struct PlanSettings {
    /// Numbers of ranks to plan for, ascending.
    pub ranks: Vec<usize>,
    /// Ranks of each host.
    pub ranks_per_host: usize,
    /// Bytes that the link of a host carries in a nanosecond, each way.
    pub link: f64,
    /// Bytes that the storage of all gives and takes in a nanosecond.
    pub storage: Option<f64>,
    /// Images of the job; default: those that there are.
    pub images: Option<NonZero<u64>>,
    /// Whether JSON is printed.
    pub json: bool,
    /// The job.
    pub run: RunSettings,
}

impl PlanSettings {
    /// Checks the command line.
    ///
    /// # Errors
    /// When a number of ranks or a rate is none, or what follows `--` is no `run`.
    pub fn new(args: PlanArgs) -> Result<Self, UsageError> {
        let rate = |flag, text: Option<&str>| text.map(|text| bytes_per_ns(flag, text)).transpose();
        Ok(Self {
            ranks: rank_counts(&args.ranks)?,
            ranks_per_host: usize::try_from(args.ranks_per_host).unwrap_or(usize::MAX),
            link: bytes_per_ns("--network", &args.network)?,
            storage: rate("--storage", args.storage.as_deref())?,
            images: args.images,
            json: args.json,
            run: run_of(&args.command)?,
        })
    }
}

/// `8`; `1,2,3`; `1..4096`, which doubles from the first to the last.
fn rank_counts(text: &str) -> Result<Vec<usize>, UsageError> {
    let wrong = || UsageError::RankCounts { value: text.to_owned(), most: MOST_RANKS };
    let count = |text: &str| {
        let count = text.trim().parse().ok();
        count.filter(|count| (1..=MOST_RANKS).contains(count)).ok_or_else(wrong)
    };
    let mut counts = Vec::new();
    for part in text.split(',') {
        match part.split_once("..") {
            Some((first, last)) => {
                let (first, last) = (count(first)?, count(last)?);
                if first > last {
                    return Err(wrong());
                }
                let doubled = std::iter::successors(Some(first), |count| count.checked_mul(2));
                counts.extend(doubled.take_while(|&count| count < last));
                counts.push(last);
            }
            None => counts.push(count(part)?),
        }
    }
    counts.sort_unstable();
    counts.dedup();
    Ok(counts)
}

/// Bits a second, with k, M, G or T for powers of 1000, as bytes a nanosecond.
fn bytes_per_ns(flag: &'static str, text: &str) -> Result<f64, UsageError> {
    let wrong = || UsageError::Rate { flag, value: text.to_owned() };
    let digits = text.trim().trim_end_matches(|unit: char| "kKmMgGtT".contains(unit));
    let scale = match text.trim()[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 1.0,
        "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        _ => return Err(wrong()),
    };
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    let bits = number * scale;
    if bits.is_finite() && bits >= 1.0 { Ok(bits / 8.0 / 1e9) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_listed_or_doubled() {
        assert_eq!(rank_counts("1..4096").unwrap().len(), 13);
        assert_eq!(rank_counts("3..20,7, 1").unwrap(), [1, 3, 6, 7, 12, 20]);
        assert_eq!(rank_counts("5..5").unwrap(), [5]);
        for bad in ["", "0", "4..2", "1..", "..3", "a", "1,,2", "1048577", "-1"] {
            assert!(rank_counts(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_are_bits_a_second() {
        let rate = |text| bytes_per_ns("--network", text);
        assert!((rate("25G").unwrap() - 3.125).abs() < 1e-9);
        assert!((rate("2.5g").unwrap() - 0.3125).abs() < 1e-9);
        assert!((rate("100M").unwrap() - 0.0125).abs() < 1e-9);
        for bad in ["", "G", "25GB", "25GG", "-1G", "nan", "inf", "0"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
