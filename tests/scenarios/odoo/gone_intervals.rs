//! Intervals whose record a person has deleted: made again only when that is asked for, with the end that they had, and ended
//! where they are when it comes later.

use plantlink_tests::odoo::Fault;
use serde_json::json;

use super::plant::{Plant, finished, paused};
use super::reconcile::{counts, reconcile};
use super::records::{INTERVAL, plant};
use super::server::{Place, Server};
use crate::plant::LATER;

/// What a request holds while its order pauses, and afterwards.
const OPEN: &str = "2";
const OVER: &str = "0";

/// The requests in the order of their names: the number of the order, and the priority.
async fn held(server: &Server, plant: &Plant<'_>) -> Vec<(usize, String)> {
    let requests = server.requests(&plant.id).await.into_iter().map(|request| {
        let (_, number) = request.name.rsplit_once('/').expect("a request is named after its order");
        (number.parse().expect("an order has a number"), request.priority)
    });
    let mut held: Vec<_> = requests.collect();
    held.sort_unstable();
    held
}

async fn delete_all(server: &Server, plant: &Plant<'_>) {
    server.delete(&server.requests(&plant.id).await).await;
}

async fn restart(plant: &mut Plant<'_>) {
    assert!(plant.agent.terminate().await.success(), "{}", plant.agent.log_end());
    plant.agent.restart();
    plant.agent.wait_until("the agent to run", LATER, |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_interval_is_made_again_with_the_end_it_had_and_an_open_one_is_ended_later_over_restarts() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = plant(&server, INTERVAL).await;
        plant.publish(&[paused(1), finished(1), paused(2), finished(3), paused(3)]).await;
        plant.settled(5, 0).await;
        delete_all(&server, &plant).await;
        restart(&mut plant).await;

        assert_eq!(counts(&reconcile(&plant, &[])), [3, 0, 3, 0, 0]);
        assert_eq!(held(&server, &plant).await, []);
        let told = reconcile(&plant, &["--resend-gone"]);
        assert_eq!((counts(&told), &told["not_resent"]), ([3, 0, 3, 0, 3], &json!(0)), "{told:#}");
        let expected = [(1, OVER), (2, OPEN), (3, OVER)].map(|(number, priority)| (number, priority.to_owned()));
        assert_eq!(held(&server, &plant).await, expected);
        assert_eq!(counts(&reconcile(&plant, &[])), [3, 3, 0, 0, 0]);

        restart(&mut plant).await;
        plant.publish(&[finished(2)]).await;
        plant.settled(6, 0).await;
        let over = [1, 2, 3].map(|number| (number, OVER.to_owned()));
        assert_eq!(held(&server, &plant).await, over);

        delete_all(&server, &plant).await;
        restart(&mut plant).await;
        assert_eq!(counts(&reconcile(&plant, &["--resend-gone"])), [3, 0, 3, 0, 3]);
        assert_eq!(held(&server, &plant).await, over);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_that_is_deleted_twice_is_made_again_twice_and_a_persons_end_of_it_stays() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = plant(&server, INTERVAL).await;
        plant.publish(&[paused(1), finished(1), paused(2), paused(3)]).await;
        plant.settled(4, 0).await;
        for _ in 0..2 {
            delete_all(&server, &plant).await;
            assert_eq!(counts(&reconcile(&plant, &["--resend-gone"])), [3, 0, 3, 0, 3]);
            let expected = [(1, OVER), (2, OPEN), (3, OPEN)].map(|(number, priority)| (number, priority.to_owned()));
            assert_eq!(held(&server, &plant).await, expected);
        }
        let requests = server.requests(&plant.id).await;
        let third = requests.iter().find(|request| request.name.ends_with("/003")).expect("it was made again");
        server.edit(third, "priority", "3").await;
        plant.publish(&[finished(2), finished(3)]).await;
        plant.settled(6, 0).await;
        let expected = [(1, OVER), (2, OVER), (3, "3")].map(|(number, priority)| (number, priority.to_owned()));
        assert_eq!(held(&server, &plant).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_interval_that_was_deleted_and_not_made_again_is_settled_and_makes_nothing() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = plant(&server, INTERVAL).await;
        plant.publish(&[paused(1)]).await;
        plant.settled(1, 0).await;
        delete_all(&server, &plant).await;
        plant.publish(&[finished(1)]).await;
        plant.settled(2, 0).await;
        assert_eq!(held(&server, &plant).await, []);
        // It is kept for whoever wants the interval back.
        assert_eq!(counts(&reconcile(&plant, &["--resend-gone"])), [1, 0, 1, 0, 1]);
        assert_eq!(held(&server, &plant).await, [(1, OVER.to_owned())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_whose_end_was_lost_while_it_was_made_again_gets_it_the_next_time() {
    let server = Place::Fake.open().await;
    let odoo = server.fake().expect("no real server fails when it is told to");
    let mut plant = plant(&server, INTERVAL).await;
    plant.publish(&[paused(1), finished(1)]).await;
    plant.settled(2, 0).await;
    delete_all(&server, &plant).await;
    // The begin is let through.
    odoo.hold_next().release();
    server.fail_next(&[Fault::DeadWorker]);
    let failed = plant.agent.run(&["reconcile", "erp", "--resend-gone"]);
    assert!(!failed.status.success(), "{failed:?}");
    assert_eq!(held(&server, &plant).await, [(1, OPEN.to_owned())]);

    let told = reconcile(&plant, &["--resend-gone"]);
    assert_eq!((counts(&told), &told["found"]), ([1, 0, 1, 0, 0], &json!(1)), "{told:#}");
    assert_eq!(held(&server, &plant).await, [(1, OVER.to_owned())]);
    assert_eq!(counts(&reconcile(&plant, &[])), [1, 1, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_restored_database_no_interval_is_ended_in_the_record_that_got_the_id_of_its_own() {
    let server = Place::Fake.open().await;
    let odoo = server.fake().expect("this scenario restores a backup");
    let mut plant = plant(&server, INTERVAL).await;
    plant.publish(&[paused(1)]).await;
    plant.settled(1, 0).await;
    let backup = odoo.database(|db| db.clone());
    // The marker counts on whenever the agent comes in.
    restart(&mut plant).await;
    plant.publish(&[paused(2)]).await;
    plant.settled(2, 0).await;

    plant.agent.terminate().await;
    odoo.database(|db| *db = backup);
    plant.agent.restart();
    plant.publish(&[paused(3)]).await;
    let is_paused = |reason: &str| reason.contains("restored");
    plant.shows("the pause", |flow| flow["paused"]["reason"].as_str().is_some_and(is_paused)).await;
    assert_eq!(counts(&reconcile(&plant, &["--accept-database"])), [2, 1, 1, 0, 0]);
    plant.settled(3, 0).await;
    plant.publish(&[finished(2)]).await;
    plant.settled(4, 0).await;
    assert_eq!(held(&server, &plant).await, [1, 3].map(|number| (number, OPEN.to_owned())));

    assert_eq!(counts(&reconcile(&plant, &["--resend-gone"])), [3, 2, 1, 0, 1]);
    let expected = [(1, OPEN), (2, OVER), (3, OPEN)].map(|(number, priority)| (number, priority.to_owned()));
    assert_eq!(held(&server, &plant).await, expected);
}
