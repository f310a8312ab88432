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
    fn one_is_singular() {
        assert_eq!(
            (count_of(1, "image"), count_of(0, "rank")),
            ("1 image".into(), "0 ranks".into())
        );
    }
}
