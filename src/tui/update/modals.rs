//! Keys while something lies over the screen.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::tui::filter::Filter;
use crate::tui::message::Effect;
use crate::tui::state::{Confirm, Input, Kind, Modal, State};
use crate::tui::update::{keys, palette};
use crate::view::time::day_start;

/// Takes a key in.
pub fn key(state: &mut State, key: &KeyEvent) -> Vec<Effect> {
    match state.modal.take() {
        None | Some(Modal::Help) => Vec::new(),
        Some(Modal::Confirm(confirm)) => confirmed(state, confirm, key),
        Some(Modal::PauseFor(jobs)) => pause_for(state, &jobs, key),
        Some(Modal::Filter(input)) => filter(state, input, key),
        Some(Modal::Palette(input)) => written(state, input, key),
        Some(Modal::Said(line, words, from)) => {
            let last = words.len().saturating_sub(1);
            let from = match key.code {
                KeyCode::Down | KeyCode::Char('j') => from + 1,
                KeyCode::Up | KeyCode::Char('k') => from.saturating_sub(1),
                KeyCode::PageDown | KeyCode::Char(' ') => from + 10,
                KeyCode::PageUp => from.saturating_sub(10),
                KeyCode::Home | KeyCode::Char('g') => 0,
                KeyCode::End | KeyCode::Char('G') => last,
                _ => return Vec::new(),
            };
            state.modal = Some(Modal::Said(line, words, from.min(last)));
            Vec::new()
        }
    }
}

/// Only `y` is yes.
fn confirmed(state: &mut State, confirm: Confirm, key: &KeyEvent) -> Vec<Effect> {
    if key.code == KeyCode::Char('y') && !key.modifiers.contains(KeyModifiers::CONTROL) {
        state.marks.clear();
        return confirm.commands.into_iter().map(Effect::Act).collect();
    }
    state.say("nothing was done", false);
    Vec::new()
}

fn pause_for(state: &mut State, jobs: &[String], key: &KeyEvent) -> Vec<Effect> {
    let length: Vec<String> = match key.code {
        KeyCode::Char('1' | 'h') => vec!["--for".to_owned(), "1h".to_owned()],
        KeyCode::Char('t') => {
            let zone = &state.setting.zone;
            // 30 hours after the beginning of a day the next one has begun, however long it is.
            let end = day_start(day_start(state.now, zone) + 30 * 3_600_000, zone);
            let end = crate::view::time::rfc3339(end, zone);
            vec!["--until".to_owned(), end]
        }
        KeyCode::Char('u') => Vec::new(),
        _ => {
            state.say("nothing was done", false);
            return Vec::new();
        }
    };
    state.marks.clear();
    let command = |job: &String| {
        let mut argv = vec!["pause".to_owned(), job.clone()];
        argv.extend(length.iter().cloned());
        Effect::Act(argv)
    };
    jobs.iter().map(command).collect()
}

/// Whether a key changes what is written; the text is changed then.
fn write(input: &mut Input, key: &KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('u') if control => input.text.clear(),
        KeyCode::Char('w') if control => {
            let kept = input.text.trim_end();
            let from = kept.rfind(' ').map_or(0, |at| at + 1);
            input.text.truncate(from);
        }
        KeyCode::Char('h') if control => drop(input.text.pop()),
        KeyCode::Char(c) if !control => input.text.push(c),
        KeyCode::Backspace => drop(input.text.pop()),
        _ => return false,
    }
    true
}

fn filter(state: &mut State, mut input: Input, key: &KeyEvent) -> Vec<Effect> {
    let in_output = state.kind() == Kind::Log;
    match key.code {
        KeyCode::Esc => {
            state.log.search.clear();
            state.filters.remove(&state.kind());
            return Vec::new();
        }
        KeyCode::Enter if in_output => {
            state.log.search = input.text;
            keys::found(state, true);
            return Vec::new();
        }
        KeyCode::Enter if input.error.is_none() => return Vec::new(),
        _ => {}
    }
    if write(&mut input, key) && !in_output {
        input.error = Filter::parse(&input.text).err();
        // What is not understood yet, as a word half written, changes nothing.
        if input.error.is_none() {
            match input.text.trim() {
                "" => state.filters.remove(&state.kind()),
                text => state.filters.insert(state.kind(), text.to_owned()),
            };
        }
    }
    state.modal = Some(Modal::Filter(input));
    Vec::new()
}

fn written(state: &mut State, mut input: Input, key: &KeyEvent) -> Vec<Effect> {
    match key.code {
        KeyCode::Esc => return Vec::new(),
        KeyCode::Enter => match palette::carry_out(state, &input.text) {
            Ok(effects) => return effects,
            Err(error) => input.error = Some(error),
        },
        _ => {
            if write(&mut input, key) {
                input.error = None;
            }
        }
    }
    state.modal = Some(Modal::Palette(input));
    Vec::new()
}
