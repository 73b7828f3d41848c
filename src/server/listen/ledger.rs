//! Who is connected, and who has to go for another.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv6Addr},
};

/// The connections of a server, each with a `T` by which it is ended. A connection is *fresh* until its first request's head has
/// come whole: such a one costs whoever opened it nothing, so it is what goes when there is no room.
#[derive(Debug)]
pub(super) struct Ledger<T> {
    max: usize,
    per_address: usize,
    next: u64,
    all: BTreeMap<u64, (Option<IpAddr>, T)>,
    fresh: BTreeSet<u64>,
    fresh_of: BTreeSet<(IpAddr, u64)>,
    counts: HashMap<IpAddr, usize>,
}

/// What becomes of a connection that comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<T> {
    /// It is let in under this number, and another one has to go for it.
    In(u64, Option<T>),
    /// There are as many as there may be, and all of them ask for something.
    Full,
    /// The same of its address.
    FullAddress,
}

impl<T> Ledger<T> {
    pub(super) fn new(max: usize, per_address: usize) -> Self {
        let (all, counts) = (BTreeMap::new(), HashMap::new());
        Self { max, per_address, next: 0, all, fresh: BTreeSet::new(), fresh_of: BTreeSet::new(), counts }
    }

    /// A connection comes, of an address whose connections are bounded, or of none such.
    pub(super) fn enter(&mut self, address: Option<IpAddr>, end: T) -> Verdict<T> {
        let address = address.map(site);
        let mut gone = None;
        if let Some(address) = address.filter(|address| self.counts.get(address).is_some_and(|n| *n >= self.per_address)) {
            let Some(&(_, id)) = self.fresh_of.range((address, 0)..=(address, u64::MAX)).next() else { return Verdict::FullAddress };
            gone = self.leave(id);
        } else if self.all.len() >= self.max {
            let Some(&id) = self.fresh.first() else { return Verdict::Full };
            gone = self.leave(id);
        }
        let id = self.next;
        self.next += 1;
        self.all.insert(id, (address, end));
        self.fresh.insert(id);
        if let Some(address) = address {
            self.fresh_of.insert((address, id));
            *self.counts.entry(address).or_default() += 1;
        }
        Verdict::In(id, gone)
    }

    /// A request of it has come.
    pub(super) fn prove(&mut self, id: u64) {
        if self.fresh.remove(&id)
            && let Some((Some(address), _)) = self.all.get(&id)
        {
            self.fresh_of.remove(&(*address, id));
        }
    }

    /// It is over; what ends it, where it was still there.
    pub(super) fn leave(&mut self, id: u64) -> Option<T> {
        self.prove(id);
        let (address, end) = self.all.remove(&id)?;
        if let Some(address) = address
            && let Some(count) = self.counts.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&address);
            }
        }
        Some(end)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

/// Who has one address of version 6 has all that begin with the same 64 bits.
fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn the_oldest_that_asked_for_nothing_makes_room() {
        let mut ledger = Ledger::new(2, 9);
        assert_eq!(ledger.enter(None, 'a'), Verdict::In(0, None));
        assert_eq!(ledger.enter(None, 'b'), Verdict::In(1, None));
        ledger.prove(0);
        assert_eq!(ledger.enter(None, 'c'), Verdict::In(2, Some('b')));
        ledger.prove(2);
        assert_eq!(ledger.enter(None, 'd'), Verdict::Full);
        assert_eq!(ledger.leave(1), None, "it went before");
        assert_eq!(ledger.leave(0), Some('a'));
        assert_eq!(ledger.enter(None, 'e'), Verdict::In(3, None));
        assert_eq!(ledger.len(), 2);
    }

    #[test]
    fn one_address_takes_nothing_from_others() {
        let mut ledger = Ledger::new(9, 2);
        ledger.enter(of("10.0.0.2"), 'z');
        assert_eq!(ledger.enter(of("10.0.0.1"), 'a'), Verdict::In(1, None));
        assert_eq!(ledger.enter(of("::ffff:10.0.0.1"), 'b'), Verdict::In(2, None));
        assert_eq!(ledger.enter(of("10.0.0.1"), 'c'), Verdict::In(3, Some('a')), "its own oldest, not the other's");
        ledger.prove(2);
        ledger.prove(3);
        assert_eq!(ledger.enter(of("10.0.0.1"), 'd'), Verdict::FullAddress);
        assert_eq!(ledger.enter(of("10.0.0.3"), 'e'), Verdict::In(4, None));
        ledger.leave(2);
        assert_eq!(ledger.enter(of("10.0.0.1"), 'f'), Verdict::In(5, None));
    }

    #[test]
    fn all_addresses_of_a_site_are_one() {
        let mut ledger = Ledger::new(9, 1);
        ledger.enter(of("2001:db8::1"), 'a');
        ledger.prove(0);
        assert_eq!(ledger.enter(of("2001:db8::ffff:2"), 'b'), Verdict::FullAddress);
        assert_eq!(ledger.enter(of("2001:db8:0:1::1"), 'c'), Verdict::In(1, None));
    }

    #[test]
    fn what_has_left_leaves_nothing() {
        let mut ledger = Ledger::new(4, 2);
        for n in 0..100 {
            ledger.enter(of("10.0.0.1"), n);
        }
        for id in 0..100 {
            ledger.leave(id);
        }
        assert_eq!(ledger.len(), 0);
        assert!(ledger.fresh.is_empty() && ledger.fresh_of.is_empty() && ledger.counts.is_empty());
    }
}
