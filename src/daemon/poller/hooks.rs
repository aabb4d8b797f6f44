//! Faults that tests ask for. A release build has nothing of them: neither the names nor the
//! variables are in the program.

/// The name of a watch whose first poll never gives its connection back.
#[cfg(debug_assertions)]
pub const LEAK: &str = "CRAKE_POLLER_LEAK";

/// The name of a watch whose polls are never answered, not even by the loop.
#[cfg(debug_assertions)]
pub const HANG: &str = "CRAKE_POLLER_HANG";

/// The name of a watch whose polls panic.
#[cfg(debug_assertions)]
pub const PANIC: &str = "CRAKE_POLLER_PANIC";

/// Whether this watch is never to be answered.
pub(in crate::daemon::poller) fn hangs(watch: &str) -> bool {
    #[cfg(debug_assertions)]
    return is_named(HANG, watch);
    #[cfg(not(debug_assertions))]
    {
        let _ = watch;
        false
    }
}

/// Never comes back.
pub(in crate::daemon::poller) fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

/// Panics where that was asked for.
pub(in crate::daemon::poller) fn panic(watch: &str) {
    #[cfg(debug_assertions)]
    assert!(!is_named(PANIC, watch), "a test asked for it");
    #[cfg(not(debug_assertions))]
    let _ = watch;
}

/// Keeps something for ever, once, where that was asked for.
pub(in crate::daemon::poller) fn leak<T: Send + 'static>(watch: &str, held: T) {
    #[cfg(debug_assertions)]
    {
        use std::sync::atomic::{AtomicBool, Ordering};
        static DONE: AtomicBool = AtomicBool::new(false);
        if is_named(LEAK, watch) && !DONE.swap(true, Ordering::SeqCst) {
            std::thread::spawn(move || {
                let _held = held;
                hang();
            });
            return;
        }
    }
    let _ = watch;
    drop(held);
}

#[cfg(debug_assertions)]
fn is_named(variable: &str, watch: &str) -> bool {
    std::env::var(variable).is_ok_and(|named| named == watch)
}
