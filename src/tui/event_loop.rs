//! The loop: takes messages in, paints what has changed, carries out what is wanted.

use std::io::{self, stdout};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Scope;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event};
use ratatui::layout::Rect;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM};

use crate::clock::Clock;
use crate::tui::feed::{Feed, Wire};
use crate::tui::message::{Effect, Message};
use crate::tui::screens::draw;
use crate::tui::sources::{Act, Facts, Hands};
use crate::tui::state::State;
use crate::tui::terminal::{self, Entered, Gate, Screen};
use crate::tui::update::update;
use crate::tui::want::{Want, want};

/// Shortest time between two frames.
const FRAME: Duration = Duration::from_millis(33);

/// Runs the dashboard until somebody leaves it.
///
/// # Errors
/// Those of the terminal.
pub fn run<'env>(
    mut state: State,
    mouse: bool,
    clock: &'env (dyn Clock + 'env),
    store: &'env std::path::Path,
    facts: Facts<'env>,
    hands: &'env Hands<'env>,
) -> io::Result<()> {
    let _entered = Entered::new(mouse)?;
    let mut screen = Terminal::new(CrosstermBackend::new(stdout()))?;
    let size = screen.size()?;
    state.size = (size.width, size.height);
    let (sender, inbox) = channel();
    let gate = Gate::default();
    read_keys(sender.clone(), gate.clone());
    hear_signals(sender.clone())?;
    std::thread::scope(|scope| {
        let wire = Wire::default();
        let feed = Feed::new(store, state.setting.zone.clone(), clock, facts);
        let (to, line) = (sender.clone(), wire.clone());
        scope.spawn(move || feed.run(&line, &to));
        let mut top = Top {
            state,
            screen: &mut screen,
            gate,
            sender,
            inbox,
            wire,
            clock,
            hands,
            asked: Want::default(),
        };
        let done = top.go(scope);
        top.wire.close();
        // What is under way is not waited for: the process ends, and commands end by themselves.
        if done.is_ok() && top.state.busy > 0 {
            terminal::leave();
            std::process::exit(0);
        }
        done
    })
}

/// Reads keys in a thread of its own, which sleeps while none comes. It ends with the process.
fn read_keys(to: Sender<Message>, gate: Gate) {
    std::thread::spawn(move || {
        loop {
            gate.pass();
            let message = match event::read() {
                Ok(Event::Key(key)) => Message::Key(key),
                Ok(Event::Mouse(mouse)) => Message::Mouse(mouse),
                Ok(Event::Resize(width, height)) => Message::Size(width, height),
                Ok(_) => continue,
                // The terminal is gone.
                Err(_) => Message::Quit,
            };
            let last = matches!(message, Message::Quit);
            if to.send(message).is_err() || last {
                return;
            }
        }
    });
}

/// Turns signals into messages. The thread sleeps until one comes and ends with the process.
fn hear_signals(to: Sender<Message>) -> io::Result<()> {
    let hear = |signals: &[i32]| -> io::Result<UnixStream> {
        let (here, there) = UnixStream::pair()?;
        for signal in signals {
            signal_hook::low_level::pipe::register(*signal, there.try_clone()?)?;
        }
        Ok(here)
    };
    let listen = |mut from: UnixStream, to: Sender<Message>, message: Message| {
        std::thread::spawn(move || {
            let mut byte = [0; 16];
            while io::Read::read(&mut from, &mut byte).is_ok_and(|count| count > 0) {
                if to.send(message.clone()).is_err() {
                    return;
                }
            }
        });
    };
    listen(hear(&[SIGTERM, SIGHUP, SIGINT])?, to.clone(), Message::Quit);
    listen(hear(&[SIGCONT])?, to, Message::Redraw);
    Ok(())
}

struct Top<'a, 'env> {
    state: State,
    screen: &'a mut Screen,
    gate: Gate,
    sender: Sender<Message>,
    inbox: Receiver<Message>,
    wire: Wire,
    clock: &'env (dyn Clock + 'env),
    hands: &'env Hands<'env>,
    asked: Want,
}

impl<'env> Top<'_, 'env> {
    fn go<'scope>(&mut self, scope: &'scope Scope<'scope, 'env>) -> io::Result<()> {
        let mut painted = i64::MIN / 2;
        loop {
            self.ask();
            let now = self.clock.now();
            let since = now.mono.saturating_sub(painted);
            let frame = FRAME.as_millis() as i64;
            if self.state.dirty && since >= frame {
                self.state.now = now.wall;
                self.screen.draw(|frame| draw(&self.state, frame))?;
                self.state.dirty = false;
                painted = now.mono;
            }
            let wait = if self.state.dirty {
                (frame - since).clamp(1, frame)
            } else {
                // The next second on the clock, which is on the screen.
                1_000 - now.wall.rem_euclid(1_000)
            };
            let wait = Duration::from_millis(wait.unsigned_abs());
            let first = match self.inbox.recv_timeout(wait) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => Message::Tick(self.clock.now().wall),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            // Whatever came meanwhile goes into one frame.
            let mut next = Some(first);
            while let Some(message) = next {
                for effect in update(&mut self.state, message) {
                    if self.carry_out(effect, scope)? {
                        return Ok(());
                    }
                }
                next = self.inbox.try_recv().ok();
            }
        }
    }

    /// Tells the feed what the screen needs, where that has changed.
    fn ask(&mut self) {
        let wanted = want(&self.state);
        if wanted != self.asked {
            self.asked = wanted.clone();
            self.wire.ask(wanted);
        }
    }

    /// Whether that was the end.
    fn carry_out<'scope>(
        &mut self,
        effect: Effect,
        scope: &'scope Scope<'scope, 'env>,
    ) -> io::Result<bool> {
        match effect {
            Effect::Quit => return Ok(true),
            Effect::Act(argv) => {
                self.state.busy += 1;
                let (act, to): (&'env Act<'env>, _) = (&self.hands.act, self.sender.clone());
                scope.spawn(move || {
                    let outcome = act(&argv);
                    // The dashboard may be gone by now.
                    let _ = to.send(Message::Done(argv, outcome));
                });
            }
            Effect::OnTerminal(argv) => {
                let outcome = self.aside(|hands| (hands.on_terminal)(&argv))?;
                self.state.busy += 1;
                let _ = self.sender.send(Message::Done(argv, outcome));
            }
            Effect::Copy(text) => terminal::copy(&text)?,
            Effect::Suspend => {
                self.aside(|_| terminal::stop())?;
            }
            Effect::Clear => {
                // Whoever continued us may have set the terminal as it likes it.
                terminal::enter_again()?;
                self.paint_anew()?;
            }
        }
        Ok(false)
    }

    /// Gives the terminal away for a while.
    fn aside<T>(&mut self, f: impl FnOnce(&Hands<'env>) -> T) -> io::Result<T> {
        self.gate.close();
        terminal::leave();
        let given = f(self.hands);
        terminal::enter()?;
        self.gate.open();
        self.paint_anew()?;
        Ok(given)
    }

    /// Clears the screen and paints all of it with the next frame. (`Terminal::clear` would ask the
    /// terminal where its cursor is, and the reader of keys would take the answer.)
    fn paint_anew(&mut self) -> io::Result<()> {
        let size = self.screen.size()?;
        self.state.size = (size.width, size.height);
        self.screen
            .resize(Rect::new(0, 0, size.width, size.height))?;
        self.state.dirty = true;
        Ok(())
    }
}
