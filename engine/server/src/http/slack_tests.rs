//! Presses of buttons in Slack: forged, replayed, late, by strangers, and good ones.

use actix_web::http::header::ContentType;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use selfheal_runtime::ports::{News, NewsApproval, NewsKind, Sink as _};
use selfheal_test_servers::SlackStandIn;

use super::*;
use crate::http::configure;
use crate::http::tests::support::{House, Plan, firing};
use crate::sinks::testing::{install_tls, news};
use crate::sinks::{SlackApp, SlackAppSettings};

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const TOKEN: &str = "xoxb-0123456789";

struct Scene {
    house: House,
    slack: SlackStandIn,
    sink: SlackApp,
    door: Data<Door>,
}

impl Scene {
    async fn new() -> Self {
        install_tls();
        let slack = SlackStandIn::start(TOKEN, &["#alerts"]).unwrap();
        let house = House::build(Plan::default()).await;
        let (clock, token) = (Arc::clone(&house.engine.clock), Secret::new(TOKEN));
        let api = Api::new(&slack.url(), &token, Duration::from_secs(5), Arc::clone(&clock)).unwrap();
        let settings = SlackAppSettings {
            name: "ops".into(),
            token,
            api: slack.url(),
            channel: "#alerts".into(),
            routes: vec![],
            digest_over: 20,
            report: true,
            silences: true,
            events: NewsKind::FOR_PEOPLE.to_vec(),
            timeout: Duration::from_secs(5),
            external_url: None,
        };
        let journal = Arc::clone(&house.engine.journal);
        let sink = SlackApp::new(settings, clock, journal).unwrap();
        let user = |id: &str, name: &str, role| {
            (id.to_owned(), SlackUser { id: id.into(), name: name.into(), role })
        };
        let users = [
            user("UANN", "ann", Role::Approver),
            user("UBOB", "bob", Role::Viewer),
            user("UCAT", "cat", Role::Operator),
        ];
        let door = Data::new(Door {
            secret: Secret::new(SECRET),
            users: users.into(),
            apis: [("ops".to_owned(), Arc::new(api))].into(),
            seen: Mutex::default(),
            room: Room::new(ROOM_BYTES, ROOM_WAIT),
        });
        Self { house, slack, sink, door }
    }

    /// An approval is asked for, and told in Slack; gives the values of its buttons.
    async fn ask(&self) -> (Approval, String, String) {
        self.house.notify(firing("Delicate", "a").to_string()).await;
        self.house.rest().await;
        let approval = self
            .house
            .engine
            .journal
            .approvals(selfheal_runtime::ports::journal::ApprovalFilter::open(1))
            .await
            .unwrap()
            .remove(0);
        self.tell(NewsKind::Approval, &approval).await;
        let message = self.slack.messages().pop().unwrap();
        (approval, message.button(APPROVE).unwrap(), message.button(ACKNOWLEDGE).unwrap())
    }

    async fn tell(&self, kind: NewsKind, approval: &Approval) {
        let about = NewsApproval { id: approval.id.clone(), plan_hash: approval.plan_hash };
        let (issue, outcome) = (Some(approval.issue), None);
        let news = News { kind, issue, outcome, approval: Some(about), ..news() };
        self.sink.deliver(&news, &format!("{kind:?}")).await.unwrap();
    }

    fn now(&self) -> i64 {
        self.house.engine.clock.now().as_second()
    }

    /// Sends a body with its headers; gives the status and what is said.
    async fn send(&self, body: &str, at: i64, signature: &str) -> (u16, String) {
        let (app, door) = (self.house.app.clone(), Some(self.door.clone()));
        let app =
            actix_web::App::new().configure(routes(door)).configure(move |service| configure(service, app));
        let service = init_service(app).await;
        let request = TestRequest::post()
            .uri(PATH)
            .insert_header(ContentType::form_url_encoded())
            .insert_header(("x-slack-request-timestamp", at.to_string()))
            .insert_header(("x-slack-signature", signature))
            .set_payload(body.to_owned());
        let response = call_service(&service, request.to_request()).await;
        let status = response.status().as_u16();
        (status, String::from_utf8(read_body(response).await.to_vec()).unwrap())
    }

    /// Somebody presses a button; what they alone are told.
    async fn press(&self, user: &str, action: &str, value: &str) -> Option<String> {
        let (body, at, told) =
            (SlackStandIn::press(user, "C0", action, value), self.now(), self.slack.whispers().len());
        // A second press within one second is a second request all the same.
        let body = format!("{body}&n={told}{user}{action}");
        let (status, said) = self.send(&body, at, &SlackStandIn::sign(SECRET, at, &body)).await;
        assert_eq!(status, 200, "{said}");
        // The answer to the press does not wait for the whisper.
        for _ in 0..100 {
            if self.slack.whispers().len() > told {
                break;
            }
            actix_web::rt::time::sleep(Duration::from_millis(10)).await;
        }
        self.slack.whispers().get(told).map(|(_, text)| text.clone())
    }

    async fn approval(&self, id: &str) -> Approval {
        self.house.engine.journal.approval(id).await.unwrap().unwrap()
    }
}

#[actix_web::test]
async fn only_what_slack_signs_now_and_once_comes_in() {
    let scene = Scene::new().await;
    let body = SlackStandIn::press("UANN", "C0", "selfheal_nothing", "a:b:c:ops");
    let (now, sign) = (scene.now(), SlackStandIn::sign);
    let good = sign(SECRET, now, &body);
    let other = body.replace("UANN", "UBOB");
    let upper = good.to_uppercase().replace("V0=", "v0=");
    let cases = [
        (body.as_str(), now, String::new(), 401, "no X-Slack-Signature"),
        (&body, now, "v0=zz".to_owned(), 401, "no X-Slack-Signature"),
        (&body, now, good.replace("v0=", "v1="), 401, "no X-Slack-Signature"),
        (&body, now, sign("another secret", now, &body), 401, "not Slack's"),
        (&other, now, good.clone(), 401, "not Slack's"),
        (&body, now + 1, good.clone(), 401, "not Slack's"),
        (&body, now - 310, sign(SECRET, now - 310, &body), 401, "five minutes"),
        (&body, now + 320, sign(SECRET, now + 320, &body), 401, "five minutes"),
        (&body, now, good.clone(), 200, ""),
        (&body, now, good.clone(), 401, "came before"),
        (&body, now, upper, 401, "came before"),
        (&body, now - 200, sign(SECRET, now - 200, &body), 200, ""),
        ("nothing", now, sign(SECRET, now, "nothing"), 400, "no press"),
        ("payload=%7B%7D", now, sign(SECRET, now, "payload=%7B%7D"), 400, "no press"),
    ];
    for (body, at, signature, status, part) in cases {
        let (found, said) = scene.send(body, at, &signature).await;
        assert_eq!(found, status, "{part}: {said}");
        assert!(said.contains(part), "{said}");
    }
}

#[actix_web::test]
async fn an_approval_is_given_by_who_may_for_the_button_that_is_shown() {
    let scene = Scene::new().await;
    let (approval, approve, _) = scene.ask().await;
    let parts: Vec<&str> = approve.split(':').collect();
    let with = |place: usize, part: &str| {
        let mut parts = parts.clone();
        parts[place] = part;
        parts.join(":")
    };
    let nobody = "00000000000000000000000000000000";
    let hash = "0".repeat(64);
    let refusals = [
        ("UEVE", APPROVE, approve.clone(), "does not know you"),
        ("UBOB", APPROVE, approve.clone(), "You are viewer, and this needs approver"),
        ("UCAT", REFUSE, approve.clone(), "You are operator"),
        ("UANN", APPROVE, with(0, nobody), "no such approval"),
        ("UANN", APPROVE, with(2, nobody), "an earlier message"),
        ("UANN", APPROVE, with(1, &hash), "for plan"),
        ("UANN", APPROVE, with(1, "x"), "names no plan"),
        ("UANN", "selfheal_other", approve.clone(), "no such button"),
    ];
    for (user, action, value, part) in refusals {
        let told = scene.press(user, action, &value).await.unwrap_or_default();
        assert!(told.contains(part), "{told:?}, expected {part:?}");
        assert_eq!(scene.approval(&approval.id).await.answer, None, "{part}");
    }
    assert_eq!(scene.press("UANN", APPROVE, &approve).await, None);
    let answer = scene.approval(&approval.id).await.answer.unwrap();
    assert_eq!(
        (answer.granted, answer.by.as_str(), answer.reason.as_str()),
        (true, "ann", "approved in Slack")
    );
    let told = scene.press("UANN", REFUSE, &approve).await.unwrap();
    assert!(told.contains("granted by ann"), "{told}");
    // The message has learnt of it: its buttons count no more.
    scene.tell(NewsKind::Answered, &approval).await;
    let told = scene.press("UANN", REFUSE, &approve).await.unwrap();
    assert!(told.contains("ann has answered already"), "{told}");
    assert_eq!(scene.slack.messages()[0].button(APPROVE), None);
    assert_eq!(scene.slack.refusals(), Vec::<String>::new());
}

#[actix_web::test]
async fn who_has_asked_does_not_approve_and_may_refuse() {
    let scene = Scene::new().await;
    let (approval, approve, _) = scene.ask().await;
    let record = selfheal_runtime::ports::journal::Record {
        issue: Some(approval.issue),
        remediation: None,
        at: scene.house.engine.clock.now(),
        kind: "asked".to_owned(),
        actor: "ann".to_owned(),
        summary: "ann asked for a remediation".to_owned(),
        facts: Value::Null,
    };
    let write = selfheal_runtime::ports::journal::Write::Record(record);
    scene.house.engine.journal.commit(vec![write]).await.unwrap();
    let told = scene.press("UANN", APPROVE, &approve).await.unwrap();
    assert!(told.contains("somebody else must approve"), "{told}");
    assert_eq!(scene.press("UANN", REFUSE, &approve).await, None);
    assert!(!scene.approval(&approval.id).await.answer.unwrap().granted);
}

#[actix_web::test]
async fn an_alert_is_silenced_by_who_may() {
    let scene = Scene::new().await;
    let (approval, _, _) = scene.ask().await;
    let value = scene.slack.messages().pop().unwrap().button(SILENCE).unwrap();
    let told = scene.press("UBOB", SILENCE, &value).await.unwrap();
    assert!(told.contains("needs operator"), "{told}");
    // That it is done is tried with a real Alertmanager (`http::tests::silences`); here none is configured.
    let told = scene.press("UCAT", SILENCE, &value).await.unwrap();
    assert!(told.contains("set alertmanager.urls"), "{told}");
    assert!(scene.approval(&approval.id).await.answer.is_none());
}

#[actix_web::test]
async fn an_issue_is_taken_in_hand_and_its_report_told() {
    let scene = Scene::new().await;
    let (approval, _, acknowledge) = scene.ask().await;
    let told = scene.press("UBOB", ACKNOWLEDGE, &acknowledge).await.unwrap();
    assert!(told.contains("needs operator"), "{told}");
    for _ in 0..2 {
        assert_eq!(scene.press("UCAT", ACKNOWLEDGE, &acknowledge).await, None);
        scene.door.seen.lock().unwrap().clear();
    }
    let story = scene.house.engine.journal.story(approval.issue).await.unwrap().unwrap();
    let taken: Vec<&str> = story
        .records
        .iter()
        .filter(|record| record.kind == "acknowledged")
        .map(|record| record.actor.as_str())
        .collect();
    assert_eq!(taken, ["cat"]);
    scene.tell(NewsKind::Closed, &approval).await;
    let report = scene.slack.messages().pop().unwrap();
    assert!(report.read().contains("## Timeline") && report.thread.is_some(), "{}", report.read());
    assert_eq!(scene.slack.refusals(), Vec::<String>::new());
}
