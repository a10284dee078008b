//! Whose messages a node takes.

use std::time::Duration;

use maelstrom::{Context, Empty, Error, Node, NodeId, Senders};

use crate::common::{Add, Echo, INIT, Peer, serve};

maelstrom::message_types! {
    "gossip": struct Gossip { value: u64 };
    "ask": struct Ask {} -> struct Answer { answer: u64 };
}

/// A node that says `gossip` to n1 whenever it takes one, and echoes to nodes only.
fn node() -> Node<()> {
    Node::new(|_| ())
        .handle(async |_: Context<()>, _: Add| Ok::<_, Error>(Empty {}))
        .handle_from_nodes(async |_: Context<()>, request: Echo| Ok(request))
        .receive_from_nodes(async |context: Context<()>, gossip: Gossip| {
            context.send(&"n1".into(), &gossip);
        })
}

/// What the node prints after its `init_ok` when it gets this body from there.
async fn said(src: &str, body: &str) -> (String, u64) {
    let line = format!("{{\"src\":\"{src}\",\"dest\":\"n0\",\"body\":{body}}}\n");
    let input = format!("{INIT}\n{line}");
    let (output, stats) = serve(node(), input.as_bytes()).await;
    let (_, rest) = output.split_once('\n').unwrap();
    (rest.to_owned(), stats.refused)
}

#[tokio::test]
async fn what_is_between_nodes_is_refused_to_everybody_else() {
    for src in ["c1", "n2", "n", "n00", "lin-kv", "", "N0"] {
        let (said, refused) = said(src, r#"{"type":"gossip","msg_id":3,"value":7}"#).await;
        let expected = format!(
            "{{\"src\":\"n0\",\"dest\":\"{src}\",\"body\":{{\"type\":\"error\",\"in_reply_to\":3,\
             \"code\":10,\"text\":\"`gossip` is between nodes, and {src} is none of the cluster's\"}}}}\n"
        );
        assert_eq!((said, refused), (expected, 1));
    }
    let (said, refused) = said("c1", r#"{"type":"gossip","value":7}"#).await;
    assert_eq!((said.as_str(), refused), ("", 1), "without a `msg_id` nobody is told");
}

#[tokio::test]
async fn a_request_between_nodes_is_refused_before_it_is_decoded() {
    let (said, _) = said("c1", r#"{"type":"echo","msg_id":3}"#).await;
    assert!(said.contains(r#""code":10"#), "{said}");
}

#[tokio::test]
async fn nodes_are_heard_and_this_one_too() {
    for src in ["n0", "n1"] {
        let (said, _) = said(src, r#"{"type":"gossip","value":7}"#).await;
        assert!(said.starts_with(r#"{"src":"n0","dest":"n1","body":{"type":"gossip","#), "{said}");
        let (said, refused) = echoed(src).await;
        assert_eq!(refused, 0);
        assert!(said.contains(r#""type":"echo_ok","in_reply_to":3,"echo":1"#), "{said}");
    }
}

/// What it says to the `echo` that it takes from nodes.
async fn echoed(src: &str) -> (String, u64) {
    said(src, r#"{"type":"echo","msg_id":3,"echo":1}"#).await
}

#[tokio::test]
async fn what_clients_may_ask_for_is_open_to_all() {
    for src in ["c1", "n1", "n2", "seq-kv"] {
        let (said, _) = said(src, r#"{"type":"add","msg_id":3,"delta":1}"#).await;
        assert!(said.contains(r#""type":"add_ok""#), "{said}");
    }
}

#[test]
fn a_node_lists_the_types_it_takes() {
    let types: Vec<_> = node().message_types().collect();
    let expected = [("add", Senders::Anyone), ("echo", Senders::Nodes), ("gossip", Senders::Nodes)];
    assert_eq!(types, expected);
}

#[tokio::test(start_paused = true)]
async fn a_reply_in_the_name_of_somebody_who_was_not_asked_is_ignored() {
    let node = Node::new(|_| ()).handle(async |context: Context<()>, ask: Ask| {
        Ok(context.call(&NodeId::from("n1"), &ask, Duration::from_secs(1)).await?)
    });
    let mut peer = Peer::start(node).await;
    peer.send(r#"{"src":"c1","dest":"n0","body":{"type":"ask","msg_id":3}}"#).await;
    let asked = peer.line().await;
    let (_, id) = asked.split_once(r#""msg_id":"#).unwrap();
    let id: u64 = id.trim_end_matches('}').split(',').next().unwrap().parse().unwrap();
    for (src, answer) in [("c1", 1), ("n0", 2), ("n2", 3), ("lin-kv", 4), ("n1", 5), ("n1", 6)] {
        let body = format!(r#"{{"type":"ask_ok","in_reply_to":{id},"answer":{answer}}}"#);
        peer.send(&format!(r#"{{"src":"{src}","dest":"n0","body":{body}}}"#)).await;
    }
    let reply = r#"{"src":"n0","dest":"c1","body":{"type":"ask_ok","in_reply_to":3,"answer":5}}"#;
    assert_eq!(peer.line().await, reply);
}
