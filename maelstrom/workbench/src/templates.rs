//! Nodes to begin with, in several languages, and what each workload asks of a node.
//!
//! All of it stands in the folder `templates`: for each language a node that answers `echo`
//! as it is, and how a handler is written there; for each workload its messages. Nothing
//! needs more than its language and the library that comes with it, so that a node is built
//! and run on any machine, without a network.

use simulator::Workload;

use crate::challenge::Challenge;

/// Where handlers go, in a comment of a node.
const PLACE: &str = "{{handlers}}";

/// A language that there is a node in.
#[derive(Debug)]
pub(crate) struct Language {
    /// The name on the command line.
    pub(crate) name: &'static str,
    /// Other names.
    pub(crate) aliases: &'static [&'static str],
    /// What has to be installed.
    pub(crate) needs: &'static str,
    /// What the folder gets: names and contents. The first has the handlers.
    files: &'static [(&'static str, &'static str)],
    /// What builds the program, in the folder.
    pub(crate) build: Option<&'static str>,
    /// The program that runs a node.
    pub(crate) program: &'static str,
    /// What a line of a comment begins with, indented as handlers are.
    comment: &'static str,
    /// A handler that is not written yet.
    handler: &'static str,
    /// A handler that only acknowledges.
    answered: &'static str,
    /// How something is done again and again, beside the handlers.
    again: &'static str,
}

macro_rules! template {
    ($file:literal) => {
        include_str!(concat!("../templates/", $file))
    };
}

pub(crate) const LANGUAGES: [Language; 7] = [
    Language {
        name: "rust",
        aliases: &["rs"],
        needs: "Rust 1.56 or newer",
        files: &[
            ("src/main.rs", template!("rust/main.rs")),
            ("src/json.rs", template!("rust/json.rs")),
            ("Cargo.toml", template!("rust/Cargo.toml.txt")),
            (".gitignore", "/target\n"),
        ],
        build: Some("cargo build --release"),
        program: "target/release/node",
        comment: "    // ",
        handler: template!("rust/handler.txt"),
        answered: template!("rust/answered.txt"),
        again: "a thread that sends lines\nthrough a channel to `main`, whose `recv_timeout` waits for a line or for the time to send again",
    },
    Language {
        name: "python",
        aliases: &["py"],
        needs: "Python 3.6 or newer",
        files: &[("node.py", template!("python/node.py"))],
        build: None,
        program: "node.py",
        comment: "# ",
        handler: template!("python/handler.txt"),
        answered: template!("python/answered.txt"),
        again: "a `threading.Thread` with\n`daemon=True`, and a lock around what it shares with the handlers, which run in the main thread",
    },
    Language {
        name: "go",
        aliases: &["golang"],
        needs: "Go 1.18 or newer",
        files: &[
            ("main.go", template!("go/main.go")),
            ("go.mod", template!("go/go.mod.txt")),
            (".gitignore", "/node\n"),
        ],
        build: Some("go build -o node ."),
        program: "node",
        comment: "\t// ",
        handler: template!("go/handler.txt"),
        answered: template!("go/answered.txt"),
        again: "a goroutine with a\n`time.Ticker`, and a `sync.Mutex` around what it shares with the handlers",
    },
    Language {
        name: "js",
        aliases: &["javascript", "node"],
        needs: "Node.js 16 or newer",
        files: &[("node.mjs", template!("js/node.mjs"))],
        build: None,
        program: "node.mjs",
        comment: "// ",
        handler: template!("js/handler.txt"),
        answered: template!("js/answered.txt"),
        again: "`setInterval`",
    },
    Language {
        name: "ruby",
        aliases: &["rb"],
        needs: "Ruby 2.7 or newer",
        files: &[("node.rb", template!("ruby/node.rb"))],
        build: None,
        program: "node.rb",
        comment: "# ",
        handler: template!("ruby/handler.txt"),
        answered: template!("ruby/answered.txt"),
        again: "a `Thread`, and a `Mutex`\naround what it shares with the handlers, which run in the main thread",
    },
    Language {
        name: "java",
        aliases: &[],
        needs: "a JDK of Java 11 or newer",
        files: &[
            ("Main.java", template!("java/Main.java")),
            ("Json.java", template!("java/Json.java")),
            ("node", template!("java/node")),
            (".gitignore", "/classes\n"),
        ],
        build: Some("javac -d classes *.java"),
        program: "node",
        comment: "        // ",
        handler: template!("java/handler.txt"),
        answered: template!("java/answered.txt"),
        again: "a `java.util.Timer`, and\n`synchronized` around what it shares with the handlers",
    },
    Language {
        name: "c++",
        aliases: &["cpp", "cxx"],
        needs: "a compiler of C++17",
        files: &[
            ("main.cpp", template!("cpp/main.cpp")),
            ("json.hpp", template!("cpp/json.hpp")),
            (".gitignore", "/node\n"),
        ],
        build: Some("c++ -std=c++17 -O2 -pthread -o node main.cpp"),
        program: "node",
        comment: "    // ",
        handler: template!("cpp/handler.txt"),
        answered: template!("cpp/answered.txt"),
        again: "a `std::thread`, and a\n`std::mutex` around what it shares with the handlers, which run in the main thread",
    },
];

/// A message of a workload that clients send.
struct Message<'a> {
    kind: &'a str,
    /// Whether an acknowledgement is all that a node has to do at first.
    is_answered: bool,
    doc: &'a str,
}

/// The messages of a workload, with what they are for in the first paragraph.
pub(crate) fn documentation(workload: Workload) -> &'static str {
    match workload {
        Workload::Broadcast => template!("messages/broadcast.txt"),
        Workload::Echo => template!("messages/echo.txt"),
        Workload::GCounter => template!("messages/g-counter.txt"),
        Workload::GSet => template!("messages/g-set.txt"),
        Workload::Kafka => template!("messages/kafka.txt"),
        Workload::LinKv => template!("messages/lin-kv.txt"),
        Workload::PnCounter => template!("messages/pn-counter.txt"),
        Workload::TxnListAppend => template!("messages/txn-list-append.txt"),
        Workload::TxnRwRegister => template!("messages/txn-rw-register.txt"),
        Workload::UniqueIds => template!("messages/unique-ids.txt"),
    }
}

fn messages(workload: Workload) -> impl Iterator<Item = Message<'static>> {
    documentation(workload).trim_end().split("\n\n").skip(1).filter_map(|paragraph| {
        let (kind, doc) = paragraph.split_once('\n')?;
        Some(match kind.strip_suffix(", answered") {
            Some(kind) => Message { kind, is_answered: true, doc },
            None => Message { kind, is_answered: false, doc },
        })
    })
}

impl Language {
    /// The files of a node for a workload: names and contents.
    pub(crate) fn files(&self, workload: Workload) -> Vec<(&'static str, String)> {
        let mut files: Vec<(&str, String)> =
            self.files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        let (_, node) = &mut files[0];
        *node = self.with_handlers(node, workload);
        files.push(("README.md", self.readme(workload)));
        files
    }

    /// The node, with handlers instead of the comment that holds their place.
    fn with_handlers(&self, node: &str, workload: Workload) -> String {
        // echo is answered already.
        let messages = messages(workload).filter(|message| message.kind != "echo");
        let handlers: Vec<String> = messages.map(|message| self.handler(&message)).collect();
        let place = format!("{}{PLACE}\n", self.comment);
        let handlers = match handlers.is_empty() {
            true => format!("{}Other messages are handled like these.\n", self.comment),
            // As many empty lines between them as there are before the place.
            false => {
                let before = node.split(&place).next().unwrap_or_default();
                let newlines = before.len() - before.trim_end_matches('\n').len();
                handlers.join(&"\n".repeat(newlines.saturating_sub(1)))
            }
        };
        node.replace(&place, &handlers)
    }

    fn handler(&self, message: &Message<'_>) -> String {
        let form = if message.is_answered { self.answered } else { self.handler };
        let doc: Vec<String> =
            message.doc.lines().map(|line| format!("{}{line}", self.comment)).collect();
        form.replace("{{doc}}", &doc.join("\n")).replace("{{type}}", message.kind)
    }

    /// The command that builds the node in this folder, if it has to be built, and tests it.
    pub(crate) fn test(&self, folder: &str, workload: Workload) -> String {
        let build = match (self.build, folder) {
            (None, _) => String::new(),
            (Some(build), ".") => format!("{build} && "),
            (Some(build), _) => format!("(cd {folder} && {build}) && "),
        };
        let name = workload.name();
        let flags = match workload {
            Workload::LinKv => "--node-count 1 --concurrency 10 --time-limit 5",
            _ => "--node-count 1 --time-limit 5",
        };
        format!("{build}workbench test -w {name} --bin {folder}/{} {flags}", self.program)
    }

    fn readme(&self, workload: Workload) -> String {
        let name = workload.name();
        let (node, _) = self.files[0];
        let test = self.test(".", workload);
        let intro = documentation(workload).split("\n\n").next().unwrap_or_default();
        let mut text = format!(
            "# A node for {name}\n\n{intro}\n\nIt needs {}, and nothing else. In this folder,\n\n\
             ```sh\n{test}\n```\n\ntests it. What it answers is in `{node}`: `init` and `echo` are \
             written",
            self.needs
        );
        text += match workload {
            Workload::Echo => ".\n",
            _ => {
                ", the rest is refused with the\nerror 10 (not-supported) until you write it. The \
                 comments there say what to answer.\n"
            }
        };
        text += &challenges(workload, self.program);
        let again = self.again;
        text + &format!("\n{GOING_ON}{again}.\n")
    }
}

/// What nodes that talk to each other need.
const GOING_ON: &str = "\
## Messages between nodes

A message that is sent with a `msg_id` of its own in the body is a request: the answer has that
number in its `in_reply_to`, and comes to where the node logs *a reply from*. A handler must not
wait for it, for nothing is read meanwhile. Messages may be lost, so what has to arrive is sent
again until it is answered. That is done by ";

/// The challenges that a node of this workload may go on with.
fn challenges(workload: Workload, program: &str) -> String {
    let flag = format!("-w {} ", workload.name());
    let ids: Vec<&str> = Challenge::ALL
        .iter()
        .filter(|challenge| challenge.flags.starts_with(&flag))
        .map(|Challenge { id, .. }| *id)
        .collect();
    let Some(first) = ids.first() else { return String::new() };
    format!(
        "\nThe challenges for it are {}: `workbench challenge --list {}` says what they ask for,\n\
         `workbench challenge {first} --bin ./{program}` runs one.\n",
        ids.join(", "),
        ids.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_a_workload_has_its_place_in_a_node_of_every_language() {
        for language in &LANGUAGES {
            for workload in Workload::ALL {
                let files = language.files(workload);
                let node = &files[0].1;
                for Message { kind, is_answered, doc } in messages(workload) {
                    let what = format!("{} {} {kind}", language.name, workload.name());
                    assert!(node.contains(&format!("\"{kind}\"")), "{what}");
                    let is_written = is_answered || kind == "echo";
                    let says = node.contains(&format!("{kind} is not written yet"));
                    assert_eq!(says, !is_written, "{what}");
                    assert!(
                        kind == "echo" || doc.lines().all(|line| node.contains(line)),
                        "{what}"
                    );
                }
                for (name, text) in &files {
                    let left = ["{{doc}}", "{{type}}", PLACE].map(|place| text.contains(place));
                    assert_eq!(left, [false; 3], "{name}: {text}");
                    assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{name}");
                }
            }
        }
    }

    #[test]
    fn documentation_has_the_form_that_messages_are_read_from() {
        for workload in Workload::ALL {
            for Message { kind, doc, .. } in messages(workload) {
                let request = format!("Request: {{\"type\": \"{kind}\"");
                let reply = format!("\nReply: {{\"type\": \"{kind}_ok\"");
                assert!(doc.starts_with(&request) && doc.contains(&reply), "{kind}: {doc}");
            }
            assert!(messages(workload).next().is_some());
        }
    }
}
