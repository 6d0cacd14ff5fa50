//! Reading a body: selfheal's reader, which keeps every good alert beside a bad one, beside plain serde types.

use std::hint::black_box;

use selfheal_core::notification::Notification;

use super::Case;
use crate::body::Request;
use crate::{rules, wire};

pub(super) fn cases() -> Vec<Case> {
    let case = |figure, alerts| {
        let request = Request::new(rules::ALERT, alerts);
        let (floor, work) = (request.body().to_vec(), request.body().to_vec());
        Case {
            figure,
            floor_is: "serde_json, typed",
            wanted: "",
            floor: Box::new(move || {
                let read = serde_json::from_slice::<wire::Notification>(black_box(&floor));
                black_box(read.expect("what is rendered here can be read"));
            }),
            work: Box::new(move || {
                let read = Notification::read(black_box(&work));
                black_box(read.expect("what is rendered here can be read"));
            }),
        }
    };
    vec![case("parse, 1 alert", 1), case("parse, 10 alerts", 10), case("parse, 100 alerts", 100)]
}
