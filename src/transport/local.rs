//! Links between the ranks of one process, and the links that join them with other processes.

use std::sync::mpsc::Sender;

use super::Poll;
use super::message::{Message, ToRank, ToRank0};
#[cfg(feature = "mpi")]
use super::mpi::MpiLink;
use crate::error::BugError;
use crate::plan::Arrived;

/// Puts messages into the queue of a rank in this process.
#[derive(Debug)]
pub struct Mailbox<E> {
    queue: Sender<E>,
}

impl<E> Mailbox<E> {
    /// A mailbox in front of a queue of events.
    #[must_use]
    pub fn new(queue: Sender<E>) -> Self {
        Self { queue }
    }

    fn put(&self, event: E) {
        // A rank that has ended takes nothing any more; whoever waits for it learns of its end.
        let _ = self.queue.send(event);
    }
}

/// Rank 0's links to all ranks: those in its own process, then those in others.
#[derive(Debug)]
pub struct Hub<E> {
    own: Vec<Mailbox<E>>,
    #[cfg(feature = "mpi")]
    others: Option<MpiLink<ToRank, ToRank0>>,
}

impl<E: From<Message<ToRank>>> Hub<E> {
    /// Links to ranks that are all in this process.
    #[must_use]
    pub fn local(own: Vec<Mailbox<E>>) -> Self {
        Self {
            own,
            #[cfg(feature = "mpi")]
            others: None,
        }
    }

    /// Links to rank 0's own worker and to the ranks in other processes.
    #[cfg(feature = "mpi")]
    #[must_use]
    pub fn mpi(own: Mailbox<E>, others: MpiLink<ToRank, ToRank0>) -> Self {
        Self { own: vec![own], others: Some(others) }
    }

    /// How many ranks there are.
    #[must_use]
    pub fn ranks(&self) -> usize {
        #[cfg(feature = "mpi")]
        if let Some(others) = &self.others {
            return others.ranks();
        }
        self.own.len()
    }

    /// Sends a message to rank `rank`.
    ///
    /// # Errors
    /// When its header cannot be written.
    pub fn send(&mut self, rank: usize, message: Message<ToRank>) -> Result<(), BugError> {
        log::debug!("to rank {rank}: {:?}, {} bytes", message.header, message.payload.len());
        if let Some(mailbox) = self.own.get(rank) {
            mailbox.put(message.into());
            return Ok(());
        }
        #[cfg(feature = "mpi")]
        if let Some(others) = &mut self.others {
            return others.send(rank, &message.header, message.payload);
        }
        Err(BugError::NoSuchRank { rank })
    }

    /// What has come from rank `rank` since this was last asked, if it is in another process.
    pub fn take_arrived(&mut self, rank: usize) -> Option<Arrived> {
        #[cfg(feature = "mpi")]
        return self.others.as_mut()?.take_arrived(rank);
        #[cfg(not(feature = "mpi"))]
        {
            let _ = rank;
            None
        }
    }

    /// Waits until all that was sent to other processes has left.
    pub fn flush(&mut self) {
        #[cfg(feature = "mpi")]
        if let Some(others) = &mut self.others {
            others.flush();
        }
    }

    /// Waits until all other processes have sent what they had to say, which nobody wants any more. They
    /// must have been told to stop.
    pub fn part(&mut self) {
        #[cfg(feature = "mpi")]
        if let Some(others) = &mut self.others {
            others.part();
        }
    }
}

impl<E, F> Poll<F> for Hub<E>
where
    F: From<(usize, Message<ToRank0>)>,
{
    fn poll(&mut self) -> Result<Option<F>, BugError> {
        #[cfg(feature = "mpi")]
        if let Some(others) = &mut self.others {
            return Ok(others.poll()?.map(F::from));
        }
        Ok(None)
    }

    fn needs_polling(&self) -> bool {
        #[cfg(feature = "mpi")]
        return self.others.as_ref().is_some_and(|others| others.ranks() > 1);
        #[cfg(not(feature = "mpi"))]
        false
    }

    fn is_busy(&self) -> bool {
        #[cfg(feature = "mpi")]
        return self.others.as_ref().is_some_and(MpiLink::is_busy);
        #[cfg(not(feature = "mpi"))]
        false
    }
}

/// A rank's link to rank 0.
#[derive(Debug)]
pub enum RankLink<E> {
    /// In the same process.
    Local {
        /// The number of this rank.
        rank: usize,
        /// Rank 0's queue.
        rank0: Mailbox<E>,
    },
    /// In another process.
    #[cfg(feature = "mpi")]
    Mpi(MpiLink<ToRank0, ToRank>),
}

impl<E: From<(usize, Message<ToRank0>)>> RankLink<E> {
    /// The number of this rank.
    #[must_use]
    pub fn rank(&self) -> usize {
        match self {
            Self::Local { rank, .. } => *rank,
            #[cfg(feature = "mpi")]
            Self::Mpi(link) => link.rank(),
        }
    }

    /// Sends a message to rank 0.
    ///
    /// # Errors
    /// When its header cannot be written.
    pub fn send(&mut self, message: Message<ToRank0>) -> Result<(), BugError> {
        match self {
            Self::Local { rank, rank0 } => {
                rank0.put((*rank, message).into());
                Ok(())
            }
            #[cfg(feature = "mpi")]
            Self::Mpi(link) => link.send(0, &message.header, message.payload),
        }
    }

    /// What has come from rank 0 since this was last asked, if it is in another process.
    pub fn take_arrived(&mut self) -> Option<Arrived> {
        match self {
            Self::Local { .. } => None,
            #[cfg(feature = "mpi")]
            Self::Mpi(link) => link.take_arrived(0),
        }
    }

    /// Waits until all that was sent has left, and rank 0 ends, too.
    pub fn part(&mut self) {
        match self {
            Self::Local { .. } => {}
            #[cfg(feature = "mpi")]
            Self::Mpi(link) => link.part(),
        }
    }
}

impl<E, F> Poll<F> for RankLink<E>
where
    F: From<Message<ToRank>>,
{
    fn poll(&mut self) -> Result<Option<F>, BugError> {
        match self {
            Self::Local { .. } => Ok(None),
            #[cfg(feature = "mpi")]
            Self::Mpi(link) => Ok(link.poll()?.map(|(_, message)| F::from(message))),
        }
    }

    fn needs_polling(&self) -> bool {
        match self {
            Self::Local { .. } => false,
            #[cfg(feature = "mpi")]
            Self::Mpi(_) => true,
        }
    }

    fn is_busy(&self) -> bool {
        match self {
            Self::Local { .. } => false,
            #[cfg(feature = "mpi")]
            Self::Mpi(link) => link.is_busy(),
        }
    }
}
