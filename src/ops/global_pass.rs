//! Passes that need the whole image, and how they travel between ranks.

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
    /// A cut.
    type Cut: Cut<Partial = Self::Partial, Share = Self::Share> + 'static;

    /// Rough cost in nanoseconds per pixel on one core; only the plan uses it.
    fn cost(&self) -> f32;

    /// A cut that has no rows yet.
    fn begin(&self) -> Self::Cut;

    /// Takes one partial per cut, top to bottom, and gives one share back for each.
    fn combine(&self, top_to_bottom: Vec<Self::Partial>) -> Vec<Self::Share>;
}

/// A group of rows in a [`GlobalPass`], and what it keeps of them: not the rows, where less will do.
pub trait Cut: Send + Debug {
    /// See [`GlobalPass::Partial`].
    type Partial;
    /// See [`GlobalPass::Share`].
    type Share;

    /// Looks at its next rows.
    fn take(&mut self, rows: Band<'_>);

    /// Tells what it has seen, behind its last row.
    fn summarize(&mut self) -> Self::Partial;

    /// Takes its share. False if that cannot be the answer to its partial.
    fn settle(&mut self, share: &Self::Share) -> bool;

    /// Writes rows of the result, once it is settled.
    fn write_rows(&self, out: &mut BandMut<'_>);
}

/// A [`GlobalPass`] whose types are hidden behind bytes, so that passes fit one list.
pub trait AnyGlobalPass: Send + Sync + Debug {
    /// See [`GlobalPass::cost`].
    fn cost(&self) -> f32;

    /// See [`GlobalPass::begin`].
    fn begin_any(&self) -> Box<dyn AnyCut>;

    /// See [`GlobalPass::combine`].
    ///
    /// # Errors
    /// When a partial cannot be read.
    fn combine_any(&self, top_to_bottom: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, BugError>;
}

/// A [`Cut`] whose types are hidden behind bytes.
pub trait AnyCut: Send + Debug {
    /// See [`Cut::take`].
    fn take_any(&mut self, rows: Band<'_>);

    /// See [`Cut::summarize`].
    fn summarize_any(&mut self) -> Vec<u8>;

    /// See [`Cut::settle`].
    ///
    /// # Errors
    /// When the share cannot be read, or is not the answer to this cut's partial.
    fn settle_any(&mut self, share: &[u8]) -> Result<(), BugError>;

    /// See [`Cut::write_rows`].
    fn write_rows_any(&self, out: &mut BandMut<'_>);
}

impl<P: GlobalPass> AnyGlobalPass for P {
    fn cost(&self) -> f32 {
        GlobalPass::cost(self)
    }

    fn begin_any(&self) -> Box<dyn AnyCut> {
        Box::new(self.begin())
    }

    fn combine_any(&self, top_to_bottom: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, BugError> {
        let partials = top_to_bottom.iter().map(|bytes| read(bytes, "partial"));
        let shares = self.combine(partials.collect::<Result<_, _>>()?);
        Ok(shares.iter().map(write).collect())
    }
}

impl<C> AnyCut for C
where
    C: Cut,
    C::Partial: Serialize,
    C::Share: DeserializeOwned,
{
    fn take_any(&mut self, rows: Band<'_>) {
        self.take(rows);
    }

    fn summarize_any(&mut self) -> Vec<u8> {
        write(&self.summarize())
    }

    fn settle_any(&mut self, share: &[u8]) -> Result<(), BugError> {
        if self.settle(&read(share, "share")?) {
            Ok(())
        } else {
            Err(BugError::GlobalPassMismatch { part: "share" })
        }
    }

    fn write_rows_any(&self, out: &mut BandMut<'_>) {
        self.write_rows(out);
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
