//! Locks and threads by the names that code which is modelled uses: the real ones, or, in the crate
//! `races`, those of a model checker that tries their schedules.

#[cfg(not(shuttle))]
pub(crate) use std::thread;

#[cfg(not(shuttle))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

#[cfg(shuttle)]
pub(crate) use model::{Condvar, Mutex, MutexGuard, RwLock, thread};

/// Shuttle's locks with the methods of `parking_lot`'s.
#[cfg(shuttle)]
mod model {
    use std::ops::{Deref, DerefMut};
    use std::time::Duration;

    use shuttle::sync;
    pub(crate) use shuttle::thread;

    const NEVER: &str = "a failed schedule ends the process";

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(sync::Mutex<T>);

    #[derive(Debug)]
    pub(crate) struct MutexGuard<'a, T> {
        of: &'a Mutex<T>,
        held: Option<sync::MutexGuard<'a, T>>,
    }

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard { of: self, held: Some(self.0.lock().expect(NEVER)) }
        }
    }

    impl<T> MutexGuard<'_, T> {
        pub(crate) fn unlocked<R>(guard: &mut Self, run: impl FnOnce() -> R) -> R {
            guard.held = None;
            let outcome = run();
            guard.held = Some(guard.of.0.lock().expect(NEVER));
            outcome
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.held.as_deref().expect("held but while it waits")
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.held.as_deref_mut().expect("held but while it waits")
        }
    }

    #[derive(Debug)]
    pub(crate) struct Condvar(sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(sync::Condvar::new())
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let held = guard.held.take().expect("held but while it waits");
            guard.held = Some(self.0.wait(held).expect(NEVER));
        }

        /// The time may be over at any moment.
        pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: Duration) {
            MutexGuard::unlocked(guard, thread::yield_now);
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    #[derive(Debug)]
    pub(crate) struct RwLock<T>(sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(sync::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> sync::RwLockReadGuard<'_, T> {
            self.0.read().expect(NEVER)
        }

        pub(crate) fn write(&self) -> sync::RwLockWriteGuard<'_, T> {
            self.0.write().expect(NEVER)
        }
    }
}
