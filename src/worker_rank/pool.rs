//! The threads of a rank, and what waits for them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::BugError;

/// What ops take for a band and give back at its end, at the most about.
const SCRATCH_BYTES: usize = 8 << 20;

/// Has the C library keep what ops give back for the next band. Until glibc has given a block of some
/// megabytes back to the system, it gives each smaller one back at once, and ops touch fresh memory for
/// every band: a tenth of the time of a blur.
fn keep_scratch_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(SCRATCH_BYTES)));
}

/// Threads that work off tasks in order. Those that an image hangs in can be left behind.
#[derive(Debug)]
pub(crate) struct Pool {
    threads: usize,
    rayon: ThreadPool,
    tasks: Arc<Mutex<Tasks>>,
}

#[derive(Debug, Default)]
struct Tasks {
    waiting: VecDeque<Task>,
    /// Images that are worked on, each as often as threads have tasks of it.
    in_hand: Vec<usize>,
}

/// How much a pool has to do.
#[derive(Debug)]
pub(crate) struct Load(Arc<Mutex<Tasks>>);

impl Load {
    /// Tasks in hand and waiting, which share the threads.
    pub(crate) fn tasks(&self) -> usize {
        let tasks = lock(&self.0);
        tasks.waiting.len() + tasks.in_hand.len()
    }

    /// Tasks that wait, and tasks that threads work on.
    pub(crate) fn waiting_and_in_hand(&self) -> (usize, usize) {
        let tasks = lock(&self.0);
        (tasks.waiting.len(), tasks.in_hand.len())
    }
}

/// Something to do for an image.
pub(crate) struct Task {
    pub(crate) image: usize,
    pub(crate) work: Box<dyn FnOnce() + Send>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "task of image {}", self.image)
    }
}

impl Pool {
    pub(crate) fn new(threads: usize) -> Result<Self, BugError> {
        keep_scratch_memory();
        Ok(Self { threads, rayon: start(threads)?, tasks: Arc::default() })
    }

    pub(crate) fn add(&self, task: Task) {
        lock(&self.tasks).waiting.push_back(task);
        self.take_one();
    }

    /// Has a thread take the task that has waited longest.
    fn take_one(&self) {
        let tasks = Arc::clone(&self.tasks);
        self.rayon.spawn_fifo(move || {
            let mut waiting = lock(&tasks);
            // Other threads may have taken them all.
            let Some(Task { image, work }) = waiting.waiting.pop_front() else { return };
            waiting.in_hand.push(image);
            drop(waiting);
            work();
            let in_hand = &mut lock(&tasks).in_hand;
            if let Some(index) = in_hand.iter().position(|&other| other == image) {
                in_hand.swap_remove(index);
            }
        });
    }

    /// Threads that work.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Tells how much there is to do.
    pub(crate) fn load(&self) -> Load {
        Load(Arc::clone(&self.tasks))
    }

    /// Forgets what waits of an image. Threads that hang in it are left behind: others take their
    /// place.
    pub(crate) fn give_up(&mut self, image: usize) -> Result<(), BugError> {
        let mut tasks = lock(&self.tasks);
        tasks.waiting.retain(|task| task.image != image);
        if !tasks.in_hand.contains(&image) {
            return Ok(());
        }
        tasks.in_hand.retain(|&other| other != image);
        let waiting = tasks.waiting.len();
        drop(tasks);
        self.rayon = start(self.threads)?;
        for _ in 0..waiting {
            self.take_one();
        }
        Ok(())
    }
}

fn start(threads: usize) -> Result<ThreadPool, BugError> {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("filter-{index}"))
        .build()
        .map_err(|source| BugError::Threads { threads, source })
}

fn lock(tasks: &Mutex<Tasks>) -> MutexGuard<'_, Tasks> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_only_thread_that_hangs_is_replaced() {
        let mut pool = Pool::new(1).unwrap();
        let (done, heard) = channel();
        let (go_on, hangs) = channel::<()>();
        let (began, has_begun) = channel();
        let hang = move || {
            began.send(()).unwrap();
            let _ = hangs.recv_timeout(Duration::from_secs(30));
        };
        pool.add(Task { image: 0, work: Box::new(hang) });
        for image in [1, 0, 2] {
            let done = done.clone();
            pool.add(Task { image, work: Box::new(move || done.send(image).unwrap()) });
        }
        has_begun.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(heard.recv_timeout(Duration::from_millis(50)).is_err());
        pool.give_up(0).unwrap();
        let next = || heard.recv_timeout(Duration::from_secs(30)).unwrap();
        assert_eq!((next(), next()), (1, 2));
        go_on.send(()).unwrap();
    }
}
