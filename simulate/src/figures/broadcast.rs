//! How broadcast gets over the death of the root of its tree.

use std::time::Duration;

use broadcast_experiments::over;
use simulator::{Links, Scenario};

use super::cluster::BROADCAST;

/// The cluster, and the root of its preferred tree.
const NODES: usize = 25;
const ROOT: usize = 0;
/// How many moments of the root's death are tried, and how far they are apart: together
/// they are longer than a round.
const MOMENTS: u32 = 40;
const APART: Duration = Duration::from_millis(17);
/// How many values others acknowledge before the death, as many as after it, and how
/// often one.
const VALUES: u64 = 10;
const PACE: Duration = Duration::from_millis(100);
/// How often nodes are asked.
const STEP: Duration = Duration::from_millis(10);
/// What takes longer is taken as this.
const LONGEST: Duration = Duration::from_secs(60);

/// A value, when it was acknowledged, and the nodes that were not seen to have it.
struct Value {
    value: u64,
    at: Duration,
    missing: Vec<usize>,
}

/// How long values take around the root's death.
pub(super) fn dead_root() -> anyhow::Result<String> {
    let longest = over(0..MOMENTS.into(), |moment| longest(moment as u32))?;
    let worst = longest.into_iter().max().unwrap_or_default();
    Ok(format!(
        "When the root of {NODES} nodes is killed, at 100 ms a hop, what the others acknowledge \
         from {b} s before its death to {b} s after it is at all of them within {:.1} s (the worst of \
         {MOMENTS} moments).",
        worst.as_secs_f64(),
        b = PACE.as_secs_f64() * VALUES as f64,
    ))
}

fn longest(moment: u32) -> anyhow::Result<Duration> {
    let mut scene = BROADCAST.scene(NODES, 100, Links::default())?;
    scene.run_for(Duration::from_secs(20) + moment * APART);
    let (mut values, mut longest) = (Vec::new(), Duration::ZERO);
    for value in 0..2 * VALUES {
        if value == VALUES {
            scene.kill(&[ROOT]);
        }
        let node = 1 + value as usize * 7 % (NODES - 1);
        BROADCAST.write(&mut scene, node, value);
        let missing = (0..NODES).filter(|&node| node != ROOT).collect();
        values.push(Value { value, at: scene.now(), missing });
        let next = scene.now() + PACE;
        while scene.now() < next {
            longest = longest.max(look(&mut scene, &mut values));
        }
    }
    while !values.is_empty() {
        longest = longest.max(look(&mut scene, &mut values));
    }
    Ok(longest)
}

/// Drops the values that are everywhere; how long they took at most.
fn look(scene: &mut Scenario, values: &mut Vec<Value>) -> Duration {
    scene.run_for(STEP);
    let now = scene.now();
    let mut longest = Duration::ZERO;
    values.retain_mut(|Value { value, at, missing }| {
        while missing.last().is_some_and(|&node| BROADCAST.shows(scene, node, *value)) {
            missing.pop();
        }
        let is_over = missing.is_empty() || now - *at > LONGEST;
        if is_over {
            longest = longest.max(now - *at);
        }
        !is_over
    });
    longest
}
