//! Buffers that are used again: the first touch of a fresh one costs more than most ops.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// A buffer serves a need that is at least one part in so many of it; less would waste memory that
/// nobody counts.
const LEAST_USED_PART: usize = 2;

/// A store of buffers that were given back.
#[derive(Debug)]
pub(crate) struct Buffers {
    free: Mutex<Vec<Vec<u8>>>,
    /// Bytes that it keeps at the most.
    limit: u64,
}

impl Buffers {
    /// A store that keeps at most `limit` bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self { free: Mutex::default(), limit }
    }

    /// A buffer of any length and content that has room for about `bytes` bytes, or a new one. Of those
    /// that suit equally it is the one that was given back last: caches may hold it.
    pub(crate) fn take_any(&self, bytes: usize) -> Vec<u8> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = bytes..=bytes.saturating_mul(LEAST_USED_PART);
        let best = (0..free.len())
            .rev()
            .filter(|&index| fitting.contains(&free[index].capacity()))
            .min_by_key(|&index| free[index].capacity());
        best.map(|index| free.remove(index)).unwrap_or_default()
    }

    /// A buffer of any length and content that has room for `bytes` bytes.
    pub(crate) fn take_room(&self, bytes: usize) -> Vec<u8> {
        let buffer = self.take_any(bytes);
        if buffer.capacity() < bytes { Vec::with_capacity(bytes) } else { buffer }
    }

    /// A buffer of `bytes` bytes of any content.
    pub(crate) fn take(&self, bytes: usize) -> Vec<u8> {
        let mut buffer = self.take_any(bytes);
        if buffer.capacity() < bytes {
            return vec![0; bytes];
        }
        buffer.resize(bytes, 0);
        buffer
    }

    /// The bytes of a buffer, which is given back once nobody reads them any more.
    pub(crate) fn lend(self: &Arc<Self>, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { buffer, store: Arc::clone(self) })
    }

    /// Gives a buffer back. Those that have been unused longest make room for it.
    pub(crate) fn give(&self, buffer: Vec<u8>) {
        if buffer.capacity() == 0 {
            return;
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(buffer);
        let bytes = |buffers: &[Vec<u8>]| buffers.iter().map(|b| b.capacity() as u64).sum::<u64>();
        while bytes(&free) > self.limit {
            free.remove(0);
        }
    }
}

/// A buffer that goes back to its store when nobody reads it any more.
struct Lent {
    buffer: Vec<u8>,
    store: Arc<Buffers>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.store.give(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_keeps_more_than_its_limit() {
        let buffers = Buffers::new(1000);
        for bytes in [100, 200, 300, 400, 500, 600, 2000] {
            buffers.give(buffers.take(bytes));
            let kept = buffers.free.lock().unwrap().iter().map(Vec::capacity).sum::<usize>();
            assert!(kept <= 1000, "{kept}");
        }
    }

    #[test]
    fn nothing_is_not_kept() {
        let buffers = Buffers::new(1000);
        buffers.give(Vec::new());
        assert!(buffers.free.lock().unwrap().is_empty());
    }

    #[test]
    fn a_buffer_serves_again_but_not_for_much_less() {
        let buffers = Buffers::new(1000);
        let first = buffers.take(600);
        let place = first.as_ptr();
        buffers.give(first);
        let (small, again) = (buffers.take(10), buffers.take(500));
        assert_ne!(small.as_ptr(), place);
        assert_eq!(again.as_ptr(), place);
    }

    #[test]
    fn what_was_given_back_last_serves_first() {
        let buffers = Buffers::new(1000);
        let both = [buffers.take(300), buffers.take(300)];
        let places = both.each_ref().map(|buffer| buffer.as_ptr());
        both.into_iter().for_each(|buffer| buffers.give(buffer));
        let again = [buffers.take(300), buffers.take(300)];
        assert_eq!(again.map(|buffer| buffer.as_ptr()), [places[1], places[0]]);
    }

    #[test]
    fn what_is_lent_comes_back_when_the_last_has_read_it() {
        let store = Arc::new(Buffers::new(1000));
        let kept = || store.free.lock().unwrap().len();
        let lent = store.lend(vec![7; 100]);
        let part = lent.slice(10..20);
        drop(lent);
        assert_eq!((kept(), &part[..]), (0, &[7; 10][..]));
        drop(part);
        assert_eq!(kept(), 1);
    }
}
