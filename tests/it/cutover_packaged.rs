//! Tables of packages: dpkg is told to leave them alone, and told to forget it by the way back.

use std::path::PathBuf;

use crate::support::facility;
use crate::support::sandbox::Sandbox;

const TABLE: &[u8] = b"# of a package\n1 1 * * * root /opt/tool\n";
const LIST: &str = "root/var/lib/dpkg/diversions";

struct Packaged {
    sandbox: Sandbox,
    table: PathBuf,
}

impl Packaged {
    /// A root with one table of a package, imported.
    fn new() -> Option<Packaged> {
        if !facility::root() || !facility::program("/usr/bin/dpkg-divert") {
            return None;
        }
        let sandbox = Sandbox::new();
        let table = sandbox.file("root/etc/cron.d/tool", TABLE);
        sandbox.file(
            "root/var/lib/dpkg/info/tool.list",
            b"/.\n/etc/cron.d/tool\n",
        );
        let packaged = Packaged { sandbox, table };
        let path = packaged.table.display().to_string();
        packaged.ok(&["import", &path, "--days", "0"]);
        Some(packaged)
    }

    fn root(&self) -> String {
        self.sandbox.path("root").display().to_string()
    }

    fn ok(&self, args: &[&str]) -> String {
        let answer = self.sandbox.run_with("CRAKE_CRON_ROOT", &self.root(), args);
        assert_eq!(answer.code, 0, "{args:?}: {answer:?}");
        answer.stdout + &answer.stderr
    }

    fn diversions(&self) -> String {
        std::fs::read_to_string(self.sandbox.path(LIST)).unwrap_or_default()
    }

    fn aside(&self) -> PathBuf {
        self.sandbox.path("root/etc/cron.d/.tool.crake")
    }

    fn is_marked(&self) -> bool {
        std::fs::read(&self.table)
            .expect("the table")
            .windows(7)
            .any(|w| w == b"#crake:")
    }

    fn is_as_before(&self, when: &str) {
        assert_eq!(
            std::fs::read(&self.table).expect("the table"),
            TABLE,
            "{when}"
        );
        assert_eq!(self.diversions(), "", "{when}");
        assert!(!self.aside().exists(), "{when}");
    }
}

#[test]
fn packaged_table_is_diverted_by_cutover_and_no_longer_after_rollback() {
    let Some(packaged) = Packaged::new() else {
        return;
    };
    packaged.ok(&["cutover"]);
    packaged.is_as_before("left to cron");
    packaged.ok(&["cutover", "--include-packaged"]);
    assert!(packaged.is_marked());
    assert_eq!(
        packaged.diversions(),
        "/etc/cron.d/tool\n/etc/cron.d/.tool.crake\n:\n"
    );
    assert_eq!(std::fs::read(packaged.aside()).expect("a copy"), TABLE);
    packaged.ok(&["rollback"]);
    packaged.is_as_before("rolled back");
    // What an upgrade brought meanwhile is neither run nor lost.
    packaged.ok(&["cutover", "--include-packaged"]);
    std::fs::write(packaged.aside(), b"2 2 * * * root /opt/newer\n").expect("an upgrade");
    let said = packaged.ok(&["rollback"]);
    assert!(said.contains("another version"), "{said}");
    assert_eq!(std::fs::read(&packaged.table).expect("the table"), TABLE);
    assert_eq!(packaged.diversions(), "");
    assert!(packaged.aside().exists());
}

#[test]
fn packaged_table_is_whole_wherever_cutover_or_rollback_dies() {
    let points = [
        ("cutover", "cutover backed up"),
        ("cutover", "cutover told dpkg"),
        ("cutover", "cutover diverted"),
        ("cutover", "cutover noted"),
        ("cutover", "cutover staged"),
        ("cutover", "cutover installed"),
        ("cutover", "cutover settled"),
        ("rollback", "cutover installed"),
        ("rollback", "cutover settled"),
        ("rollback", "cutover uncopied"),
    ];
    for (verb, point) in points {
        let Some(packaged) = Packaged::new() else {
            return;
        };
        let when = format!("{verb} died: {point}");
        let mut args = vec![verb];
        if verb == "cutover" {
            args.push("--include-packaged");
        } else {
            packaged.ok(&["cutover", "--include-packaged"]);
        }
        let armed = packaged.sandbox.file("armed", b"");
        let mut command = packaged.sandbox.command();
        command.env("CRAKE_CRASH", format!("{point}:1:{}", armed.display()));
        command.env("CRAKE_CRON_ROOT", packaged.root()).args(args);
        let died = command.output().expect("the program");
        assert!(
            !armed.exists() && !died.status.success(),
            "{when}: {died:?}"
        );
        // What is not marked is still run by cron, from the file it reads.
        assert!(packaged.table.exists(), "{when}");
        packaged.ok(&["rollback"]);
        packaged.is_as_before(&when);
    }
}
