//! What the cluster says of objects in its events.
//!
//! The API server keeps events in no cache: to find those of one object it reads all of the namespace from its database. So no list
//! begins in a namespace before the last one has ended and a rest is over that is as long as several of it; who asks meanwhile is
//! answered from the next one. In row 20 of the scoreboard (seed 2469720432) 9,500 lists of single objects had each taken half a second,
//! while thousands of pods waited for the API server.

use super::{
    cluster::{Cluster, Failed},
    facts::event,
};
use crate::domain::evidence::{MAX_EVENTS, ObjectEvent};
use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

/// So many objects are asked about one by one; of more, one list of everything is read.
const ONE_BY_ONE: usize = 2;
/// Events in a page of such a list.
const PAGE: u32 = 500;
/// A rest is so many times as long as the list before it,
const RESTS: u32 = 3;
/// and at most so long: what is asked for is to be told within ten seconds.
const LONGEST_REST: Duration = Duration::from_secs(2);

type Answer = Result<Vec<ObjectEvent>, Failed>;

/// The readers of all namespaces.
#[derive(Default)]
pub(super) struct Readers(Mutex<BTreeMap<String, Arc<Reader>>>);

/// The reader of one.
#[derive(Default)]
struct Reader {
    /// Who waits for the next list, by the UID of the object.
    waiting: Mutex<BTreeMap<String, Vec<oneshot::Sender<Answer>>>>,
    /// Until when it rests. Whoever holds it reads for all.
    turn: tokio::sync::Mutex<Option<Instant>>,
}

impl Readers {
    fn of(&self, namespace: &str) -> Arc<Reader> {
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.entry(namespace.to_owned()).or_default().clone()
    }
}

impl Cluster {
    /// The newest events about an object, oldest first, as they stand after the call has begun.
    pub(super) async fn events(&self, namespace: &str, uid: &str) -> Answer {
        let reader = self.readers.of(namespace);
        let (tell, mut told) = oneshot::channel();
        reader.waiting.lock().unwrap_or_else(PoisonError::into_inner).entry(uid.to_owned()).or_default().push(tell);
        let mut turn = tokio::select! {
            biased;
            // Whoever read for all was cut off.
            told = &mut told => return told.unwrap_or_else(|_| Err(Failed::Later("the list of events was broken off".to_owned()))),
            turn = reader.turn.lock() => turn,
        };
        if let Some(rest) = *turn {
            sleep_until(rest).await;
        }
        let waiting = std::mem::take(&mut *reader.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let began = Instant::now();
        let wanted: BTreeSet<&str> = waiting.keys().map(String::as_str).collect();
        let mut answer =
            if wanted.len() <= ONE_BY_ONE { self.one_by_one(namespace, &wanted).await } else { self.of_all(namespace, &wanted).await };
        *turn = Some(Instant::now() + (began.elapsed() * RESTS).min(LONGEST_REST));
        drop(turn);
        for (uid, askers) in waiting {
            let own = answer.as_mut().map(|all| newest(all.remove(&uid).unwrap_or_default())).map_err(|failed| failed.clone());
            for asker in askers {
                // Nobody waits where an act was cut off.
                let _ = asker.send(own.clone());
            }
        }
        told.await.unwrap_or_else(|_| Err(Failed::Later("the list of events was broken off".to_owned())))
    }

    async fn one_by_one(&self, namespace: &str, wanted: &BTreeSet<&str>) -> Result<BTreeMap<String, Vec<ObjectEvent>>, Failed> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let mut found = BTreeMap::new();
        for uid in wanted {
            let list = self.read("list", "events", api.list(&ListParams::default().fields(&format!("involvedObject.uid={uid}")))).await?;
            found.insert((*uid).to_owned(), list.items.into_iter().map(event).collect());
        }
        Ok(found)
    }

    async fn of_all(&self, namespace: &str, wanted: &BTreeSet<&str>) -> Result<BTreeMap<String, Vec<ObjectEvent>>, Failed> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let mut found: BTreeMap<String, Vec<ObjectEvent>> = BTreeMap::new();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let list = self.read("list", "events", api.list(&page)).await?;
            for item in list.items {
                if let Some(uid) = item.involved_object.uid.clone().filter(|uid| wanted.contains(uid.as_str())) {
                    found.entry(uid).or_default().push(event(item));
                }
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(found),
            }
        }
    }
}

fn newest(mut events: Vec<ObjectEvent>) -> Vec<ObjectEvent> {
    events.sort_by_key(|event| event.at);
    events.drain(..events.len().saturating_sub(MAX_EVENTS));
    events
}

#[cfg(test)]
mod tests {
    use crate::runner::kubernetes::scripted::cluster;
    use futures::future::join_all;
    use serde_json::json;

    #[tokio::test]
    async fn many_who_ask_at_once_are_answered_from_one_list() {
        let about =
            |uid: u32| json!({"metadata": {}, "involvedObject": {"kind": "Pod", "uid": format!("u{uid}")}, "message": format!("of {uid}")});
        let (cluster, asked) = cluster(move |_| {
            (200, json!({"apiVersion": "v1", "kind": "EventList", "metadata": {}, "items": (0..9).map(about).collect::<Vec<_>>()}))
        });
        let uids: Vec<_> = (0..10).map(|uid| format!("u{uid}")).collect();
        let answers = join_all(uids.iter().map(|uid| cluster.events("a", uid))).await;
        for (uid, answer) in answers.iter().enumerate() {
            let said: Vec<_> = answer.as_ref().unwrap().iter().map(|event| event.message.clone()).collect();
            let expected = if uid < 9 { vec![format!("of {uid}")] } else { Vec::new() };
            assert!(said == expected || asked.lock().unwrap()[0].contains(&format!("uid%3Du{uid}")), "{uid}: {said:?}");
        }
        let lists = asked.lock().unwrap().clone();
        assert!(lists.len() <= 2 && lists.last().unwrap() == "GET /api/v1/namespaces/a/events?&limit=500", "{lists:?}");
        // One alone is asked about alone.
        cluster.events("a", "u3").await.unwrap();
        assert!(asked.lock().unwrap().last().unwrap().contains("involvedObject.uid%3Du3"), "{asked:?}");
    }
}
