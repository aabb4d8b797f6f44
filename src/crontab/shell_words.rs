//! Just enough of the shell's grammar to find the program in a command line.
//!
//! Nothing is expanded; the words only serve to name a job and to point out hazards.

/// Splits a command line into simple commands, each a list of words with the quotes taken off.
///
/// `;`, `&`, `|`, line feeds and their doublings separate commands outside quotes; redirections
/// and their targets are left out.
pub(crate) fn simple_commands(text: &str) -> Vec<Vec<String>> {
    let mut splitter = Splitter::default();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                splitter.started = true;
                for inner in chars.by_ref().take_while(|&inner| inner != c) {
                    splitter.word.push(inner);
                }
            }
            '\\' => splitter.word.extend(chars.next()),
            '>' | '<' => {
                splitter.redirect();
                while chars
                    .next_if(|&next| matches!(next, '>' | '<' | '&'))
                    .is_some()
                {}
            }
            ';' | '|' | '&' | '\n' => splitter.end_command(),
            c if c.is_whitespace() => splitter.end_word(),
            c => splitter.word.push(c),
        }
    }
    splitter.end_command();
    splitter.commands
}

#[derive(Default)]
struct Splitter {
    commands: Vec<Vec<String>>,
    words: Vec<String>,
    word: String,
    /// An empty pair of quotes is a word too.
    started: bool,
    /// The next word is the target of a redirection.
    skip_next: bool,
}

impl Splitter {
    fn redirect(&mut self) {
        // The number in `2>` belongs to the redirection.
        if self.word.chars().all(|c| c.is_ascii_digit()) {
            self.word.clear();
        }
        self.end_word();
        self.skip_next = true;
    }

    fn end_word(&mut self) {
        if self.word.is_empty() && !self.started {
            return;
        }
        let word = std::mem::take(&mut self.word);
        self.started = false;
        if !std::mem::take(&mut self.skip_next) {
            self.words.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.skip_next = false;
        if !self.words.is_empty() {
            self.commands.push(std::mem::take(&mut self.words));
        }
    }
}
