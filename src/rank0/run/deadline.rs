//! What is due by the clock: pings, images that take too long, a limit of failures.

use std::time::Duration;

use super::{Run, Stop};
use crate::error::{Error, ImageError};
use crate::transport::message::{Message, ToRank};

impl Run<'_> {
    pub(super) fn look_at_the_clock(&mut self) -> Result<(), Error> {
        self.account.tick();
        if let Some(ranks) = self.vigil.keep(&mut self.desk.hub)? {
            self.account.heartbeat(ranks);
        }
        let settings = &self.reading.job.settings;
        let failed = self.account.failed();
        let too_many = settings.max_failures.is_exceeded(failed, self.entries.len());
        let timeout = settings.image_timeout;
        if too_many && self.stop.is_none() {
            self.begin_to_stop(Stop::TooManyFailures(failed))?;
        }
        let Some(seconds) = timeout else { return Ok(()) };
        if let Some(image) = self.account.overdue(Duration::from_secs(seconds)) {
            self.give_up(image)?;
            self.fail(image, &ImageError::Timeout { seconds })?;
        }
        Ok(())
    }

    /// Lets go of an image whose time is over. The thread that hangs in it stays behind; another
    /// takes its place.
    fn give_up(&mut self, image: usize) -> Result<(), Error> {
        if self.being_read.remove(&image) {
            self.readers.add_thread();
        }
        let mut ranks = Vec::new();
        if let Some(given) = self.given.remove(&image) {
            self.hands.take_image(given.rank, given.bytes(), given.is_filtered);
            ranks.push(given.rank);
        }
        self.drop_bands(image)?;
        self.given_up.insert(image);
        for rank in ranks {
            self.desk.hub.send(rank, Message::bare(ToRank::GiveUp { image }))?;
        }
        Ok(())
    }
}
