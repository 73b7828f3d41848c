//! Whether two boards stand for the same: the one that was told of every change, and one made anew.

use super::{
    bench::Bench,
    board::Board,
    lanes::{First, Lane},
};
use std::{collections::BTreeMap, fmt::Debug};

impl Board {
    /// What this board has otherwise than one that was made anew and knows every lane. A lane's first task may be unknown
    /// here, or even that the lane is empty by now.
    pub(crate) fn differs(&self, anew: &Self) -> Option<String> {
        let (none, mut found) = (Bench::default(), Vec::new());
        let mut check = |what: &str, here: &dyn Debug, anew: &dyn Debug| {
            let (here, anew) = (format!("{here:?}"), format!("{anew:?}"));
            if here != anew {
                found.push(format!("{what}: {here}, made anew {anew}"));
            }
        };
        for (name, bench) in &self.queues {
            let other = anew.queues.get(name).unwrap_or(&none);
            check(&format!("{name}, what lives"), &bench.lives(), &other.lives());
            let [kept, right] = bench.sums();
            check(&format!("{name}, sums of use"), &kept, &right);
            check(&format!("{name}, cost"), &bench.cost, &other.cost);
            check(&format!("{name}, use"), &bench.settled_of_all(), &other.settled_of_all());
            if anew.queues.contains_key(name) && !self.is_outdated() {
                check(&format!("{name}, rules"), &bench.terms, &other.terms);
            }
            let (lanes, others) = (bench.lanes(), other.lanes());
            for (lane, first) in &others {
                let here = lanes.get(lane).copied();
                let agree = match (here, first) {
                    (Some(First::After(rank, task)), First::Known(head)) => (rank, task) < (head.rank, head.task),
                    _ => here == Some(*first),
                };
                if !agree {
                    check(&format!("{name}, {lane:?}"), &here, first);
                }
            }
            for (lane, first) in lanes.iter().filter(|(lane, first)| matches!(first, First::Known(_)) && !others.contains_key(lane)) {
                check(&format!("{name}, {lane:?}"), first, &"nothing");
            }
        }
        check("reservations", &self.holders(), &anew.holders());
        (!found.is_empty()).then(|| found.join("\n"))
    }
}

impl Bench {
    fn lanes(&self) -> BTreeMap<Lane, First> {
        let of_tier = |(tier, lanes): (u8, &super::lanes::Lanes)| {
            let of_user =
                |user: &super::User| lanes.of(user).map(|(size, first)| (Lane { tier, user: user.clone(), size }, first)).collect();
            lanes.users().flat_map(|user| -> Vec<(Lane, First)> { of_user(user) }).collect::<Vec<_>>()
        };
        self.tiers().flat_map(of_tier).collect()
    }
}
