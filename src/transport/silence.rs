//! How long nothing was heard of somebody.

use std::time::{Duration, Instant};

/// Time between two looks that counts in full. What kept this process from looking for longer, such
/// as a signal that stopped it or a host without time for it, kept it from hearing, too.
const LONGEST_GAP: Duration = Duration::from_millis(500);

/// How long nothing was heard, counted only while this process was there to hear it.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    lasted: Duration,
    looked: Instant,
}

impl Silence {
    /// Something was heard at `now`.
    #[must_use]
    pub fn since(now: Instant) -> Self {
        Self { lasted: Duration::ZERO, looked: now }
    }

    /// How long it has lasted at `now`. To be asked several times a second.
    pub fn look(&mut self, now: Instant) -> Duration {
        self.lasted += now.saturating_duration_since(self.looked).min(LONGEST_GAP);
        self.looked = now;
        self.lasted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_which_this_process_slept_does_not_count_in_full() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut silence = Silence::since(start);
        let quarters = (1..=20).map(|quarter| start + Duration::from_millis(250 * quarter));
        assert_eq!(quarters.map(|now| silence.look(now)).max(), Some(Duration::from_secs(5)));
        assert_eq!(silence.look(at(600)), Duration::from_secs(5) + LONGEST_GAP);
        assert_eq!(Silence::since(at(9)).look(start), Duration::ZERO);
    }
}
