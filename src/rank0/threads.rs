//! Threads of rank 0 that wait for disks, so that its own thread never does.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Event;
use crate::error::{BugError, panic_text};

/// Time between two looks whether all tasks have ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

type Task = (String, Box<dyn FnOnce() -> Event + Send>);

/// What the threads share.
#[derive(Debug)]
struct Queue {
    tasks: Mutex<Receiver<Task>>,
    /// Tasks that wait or are worked on.
    left: AtomicUsize,
}

/// Some threads that work off tasks in order, and report each by an event.
#[derive(Debug)]
pub(crate) struct Threads {
    tasks: Sender<Task>,
    queue: Arc<Queue>,
    events: Sender<Event>,
}

impl Threads {
    pub(crate) fn start(count: usize, events: &Sender<Event>) -> Self {
        let (tasks, queue) = channel::<Task>();
        let queue = Arc::new(Queue { tasks: Mutex::new(queue), left: AtomicUsize::new(0) });
        let own = Self { tasks, queue, events: events.clone() };
        for _ in 0..count {
            own.add_thread();
        }
        own
    }

    /// Adds a thread, as where another hangs.
    pub(crate) fn add_thread(&self) {
        let (queue, events) = (Arc::clone(&self.queue), self.events.clone());
        std::thread::spawn(move || work(&queue, &events));
    }

    /// Adds a task; `name` says what it works on, should it panic.
    pub(crate) fn add(&self, name: String, task: impl FnOnce() -> Event + Send + 'static) {
        self.queue.left.fetch_add(1, Ordering::SeqCst);
        // The threads live as long as `self`: there is always one to take it.
        let _ = self.tasks.send((name, Box::new(task)));
    }

    /// Has a thread of its own carry out a task that waits for others: in a queue it could wait for
    /// those behind it. It need not tell how it ends.
    pub(crate) fn add_alone(
        &self,
        name: String,
        task: impl FnOnce() -> Option<Event> + Send + 'static,
    ) {
        self.queue.left.fetch_add(1, Ordering::SeqCst);
        let (queue, events) = (Arc::clone(&self.queue), self.events.clone());
        std::thread::spawn(move || {
            if let Some(event) = carry_out(&queue, name, task) {
                // Rank 0 hears of it when it is there to hear.
                let _ = events.send(event);
            }
        });
    }

    /// Waits until all tasks have ended, but not beyond `end`.
    pub(crate) fn finish(&self, end: Instant) {
        while self.queue.left.load(Ordering::SeqCst) > 0 && Instant::now() < end {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn work(queue: &Queue, events: &Sender<Event>) {
    loop {
        let next = queue.tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((name, task)) = next else { return };
        let event = carry_out(queue, name, || Some(task()));
        if event.is_some_and(|event| events.send(event).is_err()) {
            return;
        }
    }
}

/// What a task has to say.
fn carry_out(queue: &Queue, name: String, task: impl FnOnce() -> Option<Event>) -> Option<Event> {
    let event = std::panic::catch_unwind(AssertUnwindSafe(task)).unwrap_or_else(|panic| {
        let panic = panic_text(panic.as_ref());
        Some(Event::Broken(BugError::Panic { rank: 0, work: name, panic }.into()))
    });
    queue.left.fetch_sub(1, Ordering::SeqCst);
    event
}
