//! Counts the memory that each thread has from Rust's allocator, and how much that was at most.

#![expect(unsafe_code, reason = "an allocator is unsafe by its trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, counted. Whoever measures must have it as the global one.
pub(crate) struct Counting;

// SAFETY: every call is passed on as it is; counting neither allocates nor fails.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract of this very call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

/// A thread that is just ending is not counted any more.
fn count(taken: usize, given: usize) {
    let _ = HELD.try_with(|held| {
        held.set(
            held.get().wrapping_add_unsigned(taken as u64).wrapping_sub_unsigned(given as u64),
        );
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

/// The most bytes that `work` held at a time on this thread, and its result.
pub(crate) fn peak<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = HELD.get();
    MOST.set(before);
    let result = work();
    (MOST.get().saturating_sub(before).try_into().unwrap_or(0), result)
}
