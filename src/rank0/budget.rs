//! Memory that rank 0 may hold, given out first come, first served.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Bytes to give out.
#[derive(Debug)]
pub(crate) struct Budget {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    free: u64,
    next_ticket: u64,
    serving: u64,
}

/// A part of the budget; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Permit {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    pub(crate) fn new(bytes: u64) -> Arc<Self> {
        let state = State { free: bytes, next_ticket: 0, serving: 0 };
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new() })
    }

    /// Waits for its turn, and until `bytes` are free. They must not be more than there are at all.
    pub(crate) fn take(self: &Arc<Self>, bytes: u64) -> Permit {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        while state.serving != ticket || state.free < bytes {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.serving += 1;
        state.free -= bytes;
        self.changed.notify_all();
        Permit { budget: Arc::clone(self), bytes }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.budget.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.free += self.bytes;
        self.budget.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_there_is_and_all_of_it_in_the_end() {
        let budget = Budget::new(10);
        let used = Arc::new(Mutex::new(0));
        std::thread::scope(|scope| {
            for bytes in [10, 1, 7, 3, 9, 2] {
                let (budget, used) = (&budget, Arc::clone(&used));
                scope.spawn(move || {
                    let permit = budget.take(bytes);
                    *used.lock().unwrap() += bytes;
                    assert!(*used.lock().unwrap() <= 10);
                    *used.lock().unwrap() -= bytes;
                    drop(permit);
                });
            }
        });
        assert_eq!(budget.state.lock().unwrap().free, 10);
    }
}
