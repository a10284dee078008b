//! A thousand nodes.

use broadcast::config::Config;
use simulator::Effect;

use crate::cluster::world::{MS, S, World, steady};

fn thousand() -> World {
    let config = Config { period: 400 * MS, ..Config::default() };
    World::new(1000, 1, &config, steady(100 * MS))
}

#[test]
fn a_thousand_nodes_take_about_one_message_a_value_and_node() {
    let mut world = thousand();
    world.run_until(3 * S);
    let before = world.messages();
    // One value a round.
    for value in 0..20 {
        world.broadcast(value * 617 % 1000, value as u64);
        world.run_for(400 * MS);
    }
    let cost = (world.messages() - before) as f64 / (20.0 * 1000.0);
    world.run_for(3 * S);
    let values = world.values();
    world.assert_everywhere(&values, "a thousand nodes");
    assert!(cost <= 1.2, "{cost}");
    let longest = world.latencies().last().copied().unwrap();
    assert!(longest <= 2 * S, "{longest:?}");
}

#[test]
fn a_thousand_nodes_survive_the_death_of_the_root() {
    let mut world = thousand();
    world.run_until(2 * S);
    world.load(2077 * MS, 10.0);
    world.cluster.apply(Effect::Kill(vec![0]));
    world.load(4 * S, 10.0);
    world.run_for(4 * S);
    for (value, fate) in world.fates().iter().filter(|(_, fate)| fate.origin != 0) {
        let others = fate.reached.keys().filter(|&&node| node != 0).count();
        assert_eq!(others, 999, "{value}");
        assert!(fate.took() <= 4 * S, "{value}: {:?}", fate.took());
    }
}
