//! A node. The functions given to `on` answer what clients and other nodes ask.

mod json;

use std::collections::HashMap;
use std::io::{self, BufRead, Write};

use json::{object, Json};

/// What a handler gives back: the body of the reply, which gets `in_reply_to`; `None` for no
/// reply; or an error, which becomes the reply.
type Answer = Result<Option<Json>, NodeError>;

/// Handles messages of one type, given the node, the sender and the body.
type Handler = fn(&mut Node, &str, &Json) -> Answer;

struct NodeError {
    code: i64,
    text: String,
}

fn error(code: i64, text: impl Into<String>) -> Answer {
    Err(NodeError { code, text: text.into() })
}

/// What the node knows. Add fields for what it has to remember.
#[derive(Default)]
struct Node {
    id: String,
    #[allow(dead_code)]
    ids: Vec<String>,
    handlers: HashMap<&'static str, Handler>,
}

impl Node {
    /// Has a function handle messages of this type.
    fn on(&mut self, kind: &'static str, handler: Handler) {
        self.handlers.insert(kind, handler);
    }

    /// Sends a message to a client, a node or a service: a line, which nobody sees unflushed.
    /// Standard output is for messages alone; log with `eprintln!`.
    fn send(&self, dest: &str, body: Json) -> io::Result<()> {
        let message = object([("src", self.id.as_str().into()), ("dest", dest.into()), ("body", body)]);
        let mut output = io::stdout().lock();
        writeln!(output, "{message}")?;
        output.flush()
    }

    fn answer(&mut self, src: &str, body: &Json) -> Answer {
        let kind = body["type"].as_str().unwrap_or_default();
        match self.handlers.get(kind) {
            Some(handler) => handler(self, src, body),
            None => error(10, format!("this node does not know messages of type {kind}")),
        }
    }

    fn receive(&mut self, message: &Json) -> io::Result<()> {
        let (src, body) = (message["src"].as_str().unwrap_or_default(), &message["body"]);
        if !body["in_reply_to"].is_null() {
            // The answer to what this node sent with a `msg_id` of its own, which is `in_reply_to`.
            eprintln!("a reply from {src}: {body}");
            return Ok(());
        }
        let reply = self.answer(src, body).unwrap_or_else(|NodeError { code, text }| {
            Some(object([("type", "error".into()), ("code", code.into()), ("text", text.as_str().into())]))
        });
        match reply {
            Some(mut reply) if !body["msg_id"].is_null() => {
                reply.set("in_reply_to", body["msg_id"].clone());
                self.send(src, reply)
            }
            _ => Ok(()),
        }
    }
}

fn main() -> io::Result<()> {
    let mut node = Node::default();

    node.on("init", |node, _src, body| {
        let text = |id: &Json| id.as_str().unwrap_or_default().to_owned();
        node.id = text(&body["node_id"]);
        node.ids = body["node_ids"].items().iter().map(text).collect();
        Ok(Some(object([("type", "init_ok".into())])))
    });

    node.on("echo", |_node, _src, body| {
        Ok(Some(object([("type", "echo_ok".into()), ("echo", body["echo"].clone())])))
    });

    // {{handlers}}

    // Standard input ends when the test does.
    for line in io::stdin().lock().lines() {
        match Json::parse(&line?) {
            Ok(message) => node.receive(&message)?,
            Err(why) => eprintln!("a line that is no JSON: {why}"),
        }
    }
    Ok(())
}
