//! Passes that need the whole image, and how they travel between ranks.

use std::any::Any;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::band::{Band, BandMut};
use crate::error::BugError;

/// A pass whose result needs the whole image: statistics, equalisation, hysteresis.
///
/// The image is cut into adjacent groups of rows, none of them empty. Each is summarized where it
/// is; one rank combines the summaries; each group is finished where it is.
pub trait GlobalPass: Send + Sync + Debug {
    /// What a cut tells the combining rank; small against its rows.
    type Partial: Serialize + DeserializeOwned;
    /// What the combining rank tells a cut.
    type Share: Serialize + DeserializeOwned;
    /// What a cut keeps for itself between the two parts; never sent.
    type Local: Send + 'static;

    /// Rough cost in nanoseconds per pixel on one core; only the plan uses it.
    fn cost(&self) -> f32;

    /// Looks at the rows of one cut.
    fn summarize(&self, rows: Band<'_>) -> (Self::Partial, Self::Local);

    /// Takes one partial per cut, top to bottom, and gives one share back for each.
    fn combine(&self, top_to_bottom: Vec<Self::Partial>) -> Vec<Self::Share>;

    /// Whether `share` can be the answer to the partial that was made with `local`.
    fn belongs(&self, local: &Self::Local, share: &Self::Share) -> bool;

    /// Turns the rows that `summarize` saw into the result, in place.
    fn apply(&self, rows: &mut BandMut<'_>, local: Self::Local, share: &Self::Share);
}

/// A [`GlobalPass`] whose types are hidden behind bytes and [`Any`], so that passes fit one list.
pub trait AnyGlobalPass: Send + Sync + Debug {
    /// See [`GlobalPass::cost`].
    fn cost(&self) -> f32;

    /// See [`GlobalPass::summarize`].
    fn summarize_any(&self, rows: Band<'_>) -> (Vec<u8>, Box<dyn Any + Send>);

    /// See [`GlobalPass::combine`].
    ///
    /// # Errors
    /// When a partial cannot be read.
    fn combine_any(&self, top_to_bottom: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, BugError>;

    /// See [`GlobalPass::apply`].
    ///
    /// # Errors
    /// When the share cannot be read, or is not the answer to the partial that came with `local`.
    fn apply_any(
        &self,
        rows: &mut BandMut<'_>,
        local: Box<dyn Any + Send>,
        share: &[u8],
    ) -> Result<(), BugError>;
}

impl<P: GlobalPass> AnyGlobalPass for P {
    fn cost(&self) -> f32 {
        GlobalPass::cost(self)
    }

    fn summarize_any(&self, rows: Band<'_>) -> (Vec<u8>, Box<dyn Any + Send>) {
        let (partial, local) = self.summarize(rows);
        (write(&partial), Box::new(local))
    }

    fn combine_any(&self, top_to_bottom: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, BugError> {
        let partials = top_to_bottom.iter().map(|bytes| read(bytes, "partial"));
        let shares = self.combine(partials.collect::<Result<_, _>>()?);
        Ok(shares.iter().map(write).collect())
    }

    fn apply_any(
        &self,
        rows: &mut BandMut<'_>,
        local: Box<dyn Any + Send>,
        share: &[u8],
    ) -> Result<(), BugError> {
        let share = read(share, "share")?;
        let local = local
            .downcast::<P::Local>()
            .map_err(|_| BugError::GlobalPassMismatch { part: "local" })?;
        if !self.belongs(&local, &share) {
            return Err(BugError::GlobalPassMismatch { part: "share" });
        }
        self.apply(rows, *local, &share);
        Ok(())
    }
}

fn write<T: Serialize>(part: &T) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "plain data in memory can always be written")]
    postcard::to_stdvec(part).expect("a part of a global pass is plain data")
}

fn read<T: DeserializeOwned>(bytes: &[u8], part: &'static str) -> Result<T, BugError> {
    let (value, rest) =
        postcard::take_from_bytes(bytes).map_err(|source| BugError::GlobalPass { part, source })?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(BugError::GlobalPass { part, source: postcard::Error::DeserializeBadEncoding })
    }
}
