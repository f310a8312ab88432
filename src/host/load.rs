//! How busy the host is at the moment.

use std::fs;

use super::Memory;

/// How busy the host is; none: the system does not tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HostLoad {
    /// Programs that ran or waited to run, on average over the last minute.
    pub average: Option<f64>,
    /// Bytes of memory that it could give to programs now without swapping.
    pub available_bytes: Option<u64>,
}

impl HostLoad {
    /// How busy it is now. Cheap: two short files of the kernel.
    #[must_use]
    pub fn now() -> Self {
        let averages = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self { average: first_of(&averages), available_bytes: Memory::available_now() }
    }
}

fn first_of(averages: &str) -> Option<f64> {
    averages.split(' ').next()?.parse().ok().filter(|average: &f64| average.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_of_the_last_minute_is_the_first() {
        assert_eq!(first_of("1.25 0.50 0.10 2/345 6789\n"), Some(1.25));
        assert_eq!((first_of(""), first_of("NaN 1 1")), (None, None));
        let now = HostLoad::now();
        assert!(now.average.is_some_and(|average| average >= 0.0));
        assert!(now.available_bytes.is_some_and(|bytes| bytes > 0));
    }
}
