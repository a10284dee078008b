//! The library holds its nodes back from names that are not there yet.

use maelstrom::{Context, Empty, Node};
use serde_json::Value;
use simulator::{Simulation, Workload};

maelstrom::message_types! {
    "hello": struct Hello {};
    "echo": struct Echo { echo: Value } -> Echo;
    "ts": struct Ts {} -> Empty;
}

/// Talks to all and sundry as soon as it can, and waits for a service.
fn eager() -> Node<()> {
    Node::new(|_| ())
        .receive(async |_: Context<()>, _: Hello| {})
        .handle(async |_: Context<()>, echo: Echo| Ok(echo))
        .on_init(async |context: Context<()>| {
            context.peers().for_each(|peer| context.send(peer, &Hello {}));
            let second = std::time::Duration::from_secs(1);
            context.call(&"lin-tso".into(), &Ts {}, second).await?;
            Ok(())
        })
}

#[test]
fn the_library_holds_its_nodes_back() {
    for seed in 0..20 {
        let nodes = 1 + usize::try_from(seed).unwrap();
        let run = Simulation::new(Workload::Echo, eager).nodes(nodes).seconds(1).seed(seed).run();
        run.assert_valid();
    }
}
