//! Numbers as people read them.

/// Seconds as `m:ss` or `h:mm:ss`.
#[must_use]
pub fn clock(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let whole = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// `1 image`, `2 images`.
#[must_use]
pub fn count_of(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `512 B`, `3.1 MB`: powers of 1000.
#[must_use]
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let mut size = bytes as f64 / 1e3;
    let mut unit = 0;
    while size >= 999.95 && unit + 1 < UNITS.len() {
        size /= 1e3;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_round_and_carry() {
        assert_eq!(clock(0.4), "0:00");
        assert_eq!(clock(59.6), "1:00");
        assert_eq!(clock(3599.5), "1:00:00");
        assert_eq!(clock(36_001.0), "10:00:01");
        assert_eq!(clock(-1.0), "0:00");
    }

    #[test]
    fn large_numbers_are_cut_into_groups_and_units() {
        let counts = [(0, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678")];
        for (number, text) in counts {
            assert_eq!(grouped(number), text);
        }
        let sizes =
            [(999, "999 B"), (1000, "1.0 kB"), (999_999, "1.0 MB"), (u64::MAX, "18446.7 PB")];
        for (bytes, text) in sizes {
            assert_eq!(bytes_text(bytes), text);
        }
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(
            (count_of(1, "image"), count_of(0, "rank")),
            ("1 image".into(), "0 ranks".into())
        );
    }
}
