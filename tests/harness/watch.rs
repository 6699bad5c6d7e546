//! A hang is a finding too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// Ends the process when no step is reported for two minutes.
pub(crate) struct Watchdog {
    steps: Arc<AtomicU64>,
    doing: Arc<Mutex<String>>,
}

impl Watchdog {
    pub(crate) fn start() -> Self {
        let watchdog = Self { steps: Arc::default(), doing: Arc::default() };
        let (steps, doing) = (Arc::downgrade(&watchdog.steps), Arc::downgrade(&watchdog.doing));
        std::thread::spawn(move || {
            let mut known = 0;
            loop {
                std::thread::sleep(Duration::from_secs(120));
                let Some(now) = steps.upgrade().map(|steps| steps.load(Ordering::Relaxed)) else {
                    return;
                };
                if now == known {
                    let doing = doing.upgrade().map(|doing| doing.lock().clone());
                    eprintln!("it hangs: {doing:?}");
                    std::process::abort();
                }
                known = now;
            }
        });
        watchdog
    }

    pub(crate) fn step(&self, doing: impl Into<String>) {
        self.steps.fetch_add(1, Ordering::Relaxed);
        *self.doing.lock() = doing.into();
    }
}
