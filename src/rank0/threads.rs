//! Threads of rank 0 that wait for disks, so that its own thread never does.

use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::Event;
use crate::error::{BugError, panic_text};

type Task = (String, Box<dyn FnOnce() -> Event + Send>);

/// Some threads that work off tasks in order, and report each by an event.
#[derive(Debug)]
pub(crate) struct Threads {
    tasks: Sender<Task>,
    queue: Arc<Mutex<Receiver<Task>>>,
    events: Sender<Event>,
}

impl Threads {
    pub(crate) fn start(count: usize, events: &Sender<Event>) -> Self {
        let (tasks, queue) = channel::<Task>();
        let own = Self { tasks, queue: Arc::new(Mutex::new(queue)), events: events.clone() };
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
        // The threads live as long as `self`: there is always one to take it.
        let _ = self.tasks.send((name, Box::new(task)));
    }
}

fn work(queue: &Mutex<Receiver<Task>>, events: &Sender<Event>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((name, task)) = next else { return };
        let event = std::panic::catch_unwind(AssertUnwindSafe(task)).unwrap_or_else(|panic| {
            let panic = panic_text(panic.as_ref());
            Event::Broken(BugError::Panic { rank: 0, work: name, panic }.into())
        });
        if events.send(event).is_err() {
            return;
        }
    }
}
