//! The state of the dashboard: plain data, the time among it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::RunId;
use crate::schedule::{UnixMs, Zone};
use crate::tui::data::Data;
use crate::tui::sources::Place;
use crate::tui::theme::Theme;
use crate::view::Daemon;

/// A screen of its own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tab {
    /// What needs attention, what runs, the day.
    Overview,
    /// All jobs.
    Jobs,
    /// All runs.
    Runs,
    /// Fires nobody was there for.
    Missed,
    /// The workers.
    Workers,
    /// The watches.
    Watches,
    /// Output of a run.
    Logs,
}

impl Tab {
    /// All, in the order of their numbers.
    pub const ALL: [Tab; 7] = [
        Tab::Overview,
        Tab::Jobs,
        Tab::Runs,
        Tab::Missed,
        Tab::Workers,
        Tab::Watches,
        Tab::Logs,
    ];

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Tab::Overview => "Overview",
            Tab::Jobs => "Jobs",
            Tab::Runs => "Runs",
            Tab::Missed => "Missed",
            Tab::Workers => "Workers",
            Tab::Watches => "Watches",
            Tab::Logs => "Logs",
        }
    }

    /// The one of a name as people type it.
    pub fn named(name: &str) -> Option<Tab> {
        let name = name.to_lowercase();
        Tab::ALL
            .into_iter()
            .find(|tab| tab.title().to_lowercase() == name)
    }
}

/// What is on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// A screen of its own number.
    Tab(Tab),
    /// One job.
    Job(String),
    /// One run.
    Run(RunId),
    /// The output of one attempt of a run; of the latest where 0.
    Log(RunId, u32),
    /// The polls of one watch.
    Watch(String),
}

/// What a row stands for. The cursor stays on it wherever the row moves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowId {
    /// An alert: its word, its job, its run.
    Alert(&'static str, Option<String>, Option<RunId>),
    /// A run.
    Run(RunId),
    /// A job.
    Job(String),
    /// A fire to come.
    Next(String, UnixMs),
    /// Missed fires of a job, up to an instant.
    Missed(String, i64, UnixMs),
    /// A worker.
    Worker(String),
    /// A watch.
    Watch(String),
    /// A poll.
    Poll(i64),
    /// An alert about a watch: its word, the watch.
    WatchAlert(&'static str, String),
}

/// A list, its cursor and its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// What its rows stand for, in the order in which they are shown.
    pub ids: Vec<RowId>,
    /// The row under the cursor.
    pub at: usize,
    /// The first row in sight, or the first line of a text.
    pub offset: usize,
    /// The column it is sorted by.
    pub sort: usize,
    /// Whether the other way round.
    pub reverse: bool,
}

impl List {
    /// What is under the cursor.
    pub fn selected(&self) -> Option<&RowId> {
        self.ids.get(self.at)
    }
}

/// How times are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Times {
    /// As a distance from now.
    #[default]
    Relative,
    /// On the local clock.
    Local,
    /// On the clock of UTC.
    Utc,
}

/// What is to be decided in a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// The question.
    pub title: String,
    /// What will happen.
    pub lines: Vec<String>,
    /// The command lines that do it.
    pub commands: Vec<Vec<String>>,
    /// The word for yes.
    pub yes: String,
}

/// A line that is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The text.
    pub text: String,
    /// Why it is not understood.
    pub error: Option<String>,
}

/// Something that lies over the screen and takes the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Modal {
    /// A question; anything but `y` is no.
    Confirm(Confirm),
    /// How long to pause these jobs.
    PauseFor(Vec<String>),
    /// The help.
    Help,
    /// A filter, or words to search for in output.
    Filter(Input),
    /// A command.
    Palette(Input),
    /// What a command said: its line, its words, the first line in sight.
    Said(String, Vec<String>, usize),
}

/// A word to the user on the last row, until the next key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flash {
    /// What is said.
    pub text: String,
    /// Whether it is bad news.
    pub bad: bool,
}

/// The output that is being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogView {
    /// The run, and the attempt, 0 for the latest.
    pub of: Option<(RunId, u32)>,
    /// Whether the end is kept in sight.
    pub follow: bool,
    /// Whether long lines are wrapped.
    pub wrap: bool,
    /// Which window is wanted.
    pub place: Place,
    /// The first line in sight, counted over all output.
    pub top: usize,
    /// What is searched for.
    pub search: String,
}

/// What does not change while it runs.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The name of the host.
    pub host: String,
    /// The zone times are shown in.
    pub zone: Zone,
    /// How things look.
    pub theme: Theme,
    /// Whether actions are off.
    pub read_only: bool,
}

/// Everything a frame is made of.
#[derive(Clone, Debug)]
pub struct State {
    /// What does not change.
    pub setting: Setting,
    /// The time.
    pub now: UnixMs,
    /// Columns and rows.
    pub size: (u16, u16),
    /// What was read last.
    pub data: Data,
    /// What was read last while the screen is held still.
    pub newer: Option<Box<Data>>,
    /// Whether the screen is held still.
    pub frozen: bool,
    /// The daemon as it was when it was asked last; none before that.
    pub daemon: Option<Daemon>,
    /// When it was asked last.
    pub asked_at: UnixMs,
    /// The screen.
    pub tab: Tab,
    /// What was opened over it.
    pub stack: Vec<Page>,
    /// The lists, by the page they are on.
    pub lists: BTreeMap<Kind, List>,
    /// The filters, by screen, as they were written.
    pub filters: BTreeMap<Kind, String>,
    /// Whether only problems are shown.
    pub problems: bool,
    /// The other view, by screen.
    pub other: BTreeSet<Kind>,
    /// The output.
    pub log: LogView,
    /// Marked rows.
    pub marks: BTreeSet<RowId>,
    /// How times are shown.
    pub times: Times,
    /// What lies over the screen.
    pub modal: Option<Modal>,
    /// A word to the user.
    pub flash: Option<Flash>,
    /// Commands under way.
    pub busy: usize,
    /// Whether the frame on the terminal is out of date.
    pub dirty: bool,
}

/// The kind of a page: what its list is kept under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A screen of its own number.
    Tab(Tab),
    /// One job.
    Job,
    /// One run.
    Run,
    /// Output.
    Log,
    /// One watch.
    Watch,
}

impl State {
    /// Before anything was read.
    pub fn new(setting: Setting, now: UnixMs, size: (u16, u16), tab: Tab) -> State {
        State {
            setting,
            now,
            size,
            data: Data::default(),
            newer: None,
            frozen: false,
            daemon: None,
            asked_at: now,
            tab,
            stack: Vec::new(),
            lists: BTreeMap::new(),
            filters: BTreeMap::new(),
            problems: false,
            other: BTreeSet::new(),
            log: LogView {
                of: None,
                follow: true,
                wrap: false,
                place: Place::End,
                top: 0,
                search: String::new(),
            },
            marks: BTreeSet::new(),
            times: Times::default(),
            modal: None,
            flash: None,
            busy: 0,
            dirty: true,
        }
    }

    /// What is on the screen.
    pub fn page(&self) -> Page {
        match self.stack.last() {
            Some(page) => page.clone(),
            None => match (self.tab, self.log.of) {
                (Tab::Logs, Some((run, attempt))) => Page::Log(run, attempt),
                (tab, _) => Page::Tab(tab),
            },
        }
    }

    /// The kind of what is on the screen.
    pub fn kind(&self) -> Kind {
        match self.page() {
            Page::Tab(tab) => Kind::Tab(tab),
            Page::Job(_) => Kind::Job,
            Page::Run(_) => Kind::Run,
            Page::Log(..) => Kind::Log,
            Page::Watch(_) => Kind::Watch,
        }
    }

    /// The list on the screen.
    pub fn list(&self) -> List {
        self.lists.get(&self.kind()).cloned().unwrap_or_default()
    }

    /// The list on the screen, to be changed.
    pub fn list_mut(&mut self) -> &mut List {
        self.lists.entry(self.kind()).or_default()
    }

    /// The filter of the screen as it was written.
    pub fn filter(&self) -> &str {
        self.filters.get(&self.kind()).map_or("", String::as_str)
    }

    /// Whether the screen shows its other view.
    pub fn is_other(&self) -> bool {
        self.other.contains(&self.kind())
    }

    /// Whether the daemon is known not to answer.
    pub fn is_down(&self) -> bool {
        self.daemon.as_ref().is_some_and(|daemon| !daemon.up)
    }

    /// Whether nothing may be changed.
    pub fn is_read_only(&self) -> bool {
        self.setting.read_only || self.is_down()
    }

    /// Columns.
    pub fn width(&self) -> usize {
        usize::from(self.size.0)
    }

    /// Rows.
    pub fn height(&self) -> usize {
        usize::from(self.size.1)
    }

    /// Says something on the last row.
    pub fn say(&mut self, text: impl Into<String>, bad: bool) {
        self.flash = Some(Flash {
            text: text.into(),
            bad,
        });
    }
}
