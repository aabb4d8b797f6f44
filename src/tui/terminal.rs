//! The terminal: entered and left in one place, whatever happens in between.

use std::io::{self, Stdout, Write, stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use rustix::process::{Signal, getpgrp, getpid, getsid, kill_current_process_group, kill_process};

/// Whether the terminal is ours at this moment.
static ENTERED: AtomicBool = AtomicBool::new(false);
/// Whether the mouse is asked for.
static MOUSE: AtomicBool = AtomicBool::new(false);

/// The terminal as frames are painted on it.
pub type Screen = Terminal<CrosstermBackend<Stdout>>;

/// Takes the terminal; it is given back when this is dropped, and before a panic is told.
pub struct Entered(());

impl Entered {
    /// Takes it.
    ///
    /// # Errors
    /// No terminal, or one that refuses.
    pub fn new(mouse: bool) -> io::Result<Entered> {
        MOUSE.store(mouse, Ordering::SeqCst);
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            leave();
            before(info);
            // A loop that lived on in another thread would paint over what was told.
            std::process::exit(101);
        }));
        let entered = Entered(());
        enter()?;
        Ok(entered)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        leave();
    }
}

/// Takes the terminal, where it is not ours already.
///
/// # Errors
/// A terminal that refuses.
pub fn enter() -> io::Result<()> {
    if ENTERED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, Hide)?;
    if MOUSE.load(Ordering::SeqCst) {
        execute!(stdout(), EnableMouseCapture)?;
    }
    Ok(())
}

/// Gives the terminal back; once, however often it is called.
pub fn leave() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = stdout();
    // Whatever fails here, the rest is still to be tried, and nobody could be told.
    if MOUSE.load(Ordering::SeqCst) {
        let _ = execute!(out, DisableMouseCapture);
    }
    let _ = execute!(out, LeaveAlternateScreen, Show);
    let _ = out.flush();
    let _ = disable_raw_mode();
}

/// Lets go of the terminal that was left by a stop and continue; it is entered again.
///
/// # Errors
/// A terminal that refuses.
pub fn enter_again() -> io::Result<()> {
    ENTERED.store(false, Ordering::SeqCst);
    // Otherwise it is taken for set already.
    disable_raw_mode()?;
    enter()
}

/// Stops as Ctrl-Z does: the whole group, as the terminal would. Returns when it is continued.
pub fn stop() {
    // A session leader has nobody who could continue it.
    if getsid(None).is_ok_and(|session| session == getpid()) {
        return;
    }
    if getpgrp() == getpid() {
        // Our own group: others in it were started by us and end with us.
        let _ = kill_process(getpid(), Signal::TSTP);
    } else {
        let _ = kill_current_process_group(Signal::TSTP);
    }
}

/// A gate before the reader of keys, so that another program can read them meanwhile.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Keeps the reader from reading on. It is woken by a change of size that is none.
    pub fn close(&self) {
        *self.lock() = true;
        let _ = kill_process(getpid(), Signal::WINCH);
    }

    /// Lets the reader read on.
    pub fn open(&self) {
        *self.lock() = false;
        self.0.1.notify_all();
    }

    /// Waits while the gate is closed.
    pub fn pass(&self) {
        let mut closed = self.lock();
        while *closed {
            closed = self.0.1.wait(closed).unwrap_or_else(|e| e.into_inner());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        self.0.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Puts text into the clipboard of the terminal (OSC 52); most terminals and tmux know it.
///
/// # Errors
/// Those of writing.
pub fn copy(text: &str) -> io::Result<()> {
    use base64::Engine;
    let coded = base64::engine::general_purpose::STANDARD.encode(text);
    let mut out = stdout();
    write!(out, "\x1b]52;c;{coded}\x07")?;
    out.flush()
}
