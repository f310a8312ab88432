//! The same for many hosts, several at a time.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What `act` makes of each item, in their order; `most` of them are in hand at a time.
pub fn at_once<T: Sync, R: Send>(
    items: &[T],
    most: NonZero<usize>,
    act: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let work = || {
        while let Some((place, item)) = take(items, &next) {
            let outcome = act(item);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((place, outcome));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..items.len().min(most.get()) {
            scope.spawn(work);
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

fn take<'a, T>(items: &'a [T], next: &AtomicUsize) -> Option<(usize, &'a T)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    Some((place, items.get(place)?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn outcomes_are_in_order_and_no_more_are_in_hand_than_may_be() {
        let (in_hand, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let items: Vec<u64> = (0..40).collect();
        let outcomes = at_once(&items, NonZero::new(4).unwrap(), |&item| {
            most.fetch_max(in_hand.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(5 * (item % 3)));
            in_hand.fetch_sub(1, Ordering::SeqCst);
            item * 2
        });
        assert_eq!(outcomes, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert!((1..=4).contains(&most.into_inner()));
        assert!(at_once(&[0_u8; 0], NonZero::new(4).unwrap(), |_| ()).is_empty());
    }
}
