//! A Slack app against a stand-in that refuses what Slack refuses.

use selfheal_core::hash::ContentHash;
use selfheal_core::issue::Outcome;
use selfheal_runtime::ports::NewsApproval;
use selfheal_runtime::ports::journal::Write;
use selfheal_store::SqliteJournal;
use selfheal_test_servers::{Reply, SlackMessage, SlackStandIn};
use tempfile::TempDir;

use super::*;
use crate::sinks::testing::{EVERY_KIND, Moving, install_tls, news};

const TOKEN: &str = "xoxb-0123456789";

/// Slack, a journal, and the clock; sinks may come and go.
struct Scene {
    slack: SlackStandIn,
    journal: Arc<dyn Journal>,
    clock: Arc<Moving>,
    _directory: TempDir,
}

impl Scene {
    fn new() -> Self {
        install_tls();
        let directory = tempfile::tempdir().unwrap();
        Self {
            slack: SlackStandIn::start(TOKEN, &["#alerts", "#critical"]).unwrap(),
            journal: Arc::new(SqliteJournal::open(&directory.path().join("journal.sqlite")).unwrap()),
            clock: Arc::new(Moving::new(news().at)),
            _directory: directory,
        }
    }

    fn settings(&self) -> SlackAppSettings {
        SlackAppSettings {
            name: "ops".into(),
            token: Secret::new(TOKEN),
            api: self.slack.url(),
            channel: "#alerts".into(),
            routes: vec![],
            digest_over: 20,
            report: false,
            silences: true,
            events: EVERY_KIND.to_vec(),
            timeout: Duration::from_secs(5),
            external_url: Some("https://selfheal.example.org".into()),
        }
    }

    fn sink(&self, settings: SlackAppSettings) -> SlackApp {
        let clock: Arc<dyn Clock> = Arc::<Moving>::clone(&self.clock);
        SlackApp::new(settings, clock, Arc::clone(&self.journal)).unwrap()
    }

    fn roots(&self) -> Vec<SlackMessage> {
        self.slack.messages().into_iter().filter(|message| message.thread.is_none()).collect()
    }
}

fn about(issue: i64, kind: NewsKind, title: &str) -> News {
    let approval = (kind == NewsKind::Approval).then(|| NewsApproval {
        id: "approval-1".into(),
        plan_hash: ContentHash::of_parts([b"plan".as_slice()]),
    });
    let (issue, outcome) = (Some(IssueId(issue)), None);
    News { kind, title: title.into(), issue, approval, outcome, ..news() }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_issue_is_one_message_with_a_thread() {
    let scene = Scene::new();
    let story = [
        about(1, NewsKind::Opened, "disk: opened"),
        about(1, NewsKind::Approval, "disk: approval needed"),
        about(1, NewsKind::Acknowledged, "disk: ann has taken it in hand"),
        News {
            text: "ann granted it: fine".into(),
            ..about(1, NewsKind::Answered, "disk: approval answered")
        },
        News { outcome: Some(Outcome::Recovered), ..about(1, NewsKind::Outcome, "disk: recovered") },
        about(1, NewsKind::Closed, "disk: closed"),
    ];
    let mut nonces = Vec::new();
    for (number, news) in story.iter().enumerate() {
        // Every delivery by a process of its own, and the answer to the first try lost.
        let (key, first, second) =
            (format!("k{number}"), scene.sink(scene.settings()), scene.sink(scene.settings()));
        first.deliver(news, &key).await.unwrap();
        second.deliver(news, &key).await.unwrap();
        let roots = scene.roots();
        assert_eq!(roots.len(), 1, "{:?}", scene.slack.refusals());
        assert_eq!(scene.slack.messages().len(), 1 + number);
        let approve = roots[0].button(thread::APPROVE);
        assert_eq!(
            approve.is_some(),
            matches!(news.kind, NewsKind::Approval | NewsKind::Acknowledged),
            "{news:?}"
        );
        assert_eq!(roots[0].button(thread::ACKNOWLEDGE).is_some(), news.kind == NewsKind::Approval);
        nonces.extend(approve);
    }
    let pressed = thread::Pressed::read(&nonces[0]).unwrap();
    assert_eq!((pressed.subject.as_str(), pressed.sink.as_str()), ("approval-1", "ops"));
    assert_eq!(pressed.plan, ContentHash::of_parts([b"plan".as_slice()]).to_string());
    let root = &scene.roots()[0];
    for part in [
        "disk: closed",
        "disk: opened",
        "ann has taken it in hand",
        "ann granted it: fine",
        "disk: recovered",
    ] {
        assert!(root.read().contains(part), "{part}: {}", root.read());
    }
    assert_eq!(scene.slack.refusals(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_buttons_of_a_message_count_although_it_was_not_noted_before_a_crash() {
    let scene = Scene::new();
    let news = about(1, NewsKind::Approval, "disk: approval needed");
    let sink = scene.sink(scene.settings());
    sink.deliver(&news, "k").await.unwrap();
    // As the journal was before: the crash came between Slack's answer and the note of it.
    let key = Known::key_of("ops", "issue-1");
    scene.journal.commit(vec![Write::Set { key, value: Value::Null }]).await.unwrap();
    sink.deliver(&news, "k").await.unwrap();
    let shown: Vec<_> = scene.roots().iter().map(|root| root.button(thread::APPROVE)).collect();
    assert_eq!(shown.len(), 2);
    assert!(shown[0].is_some() && shown[0] == shown[1], "{shown:?}");
    sink.deliver(&about(1, NewsKind::Approval, "disk: another plan"), "l").await.unwrap();
    assert_ne!(scene.roots()[1].button(thread::APPROVE), shown[1], "another question has other buttons");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_told_stays_within_slacks_limits() {
    let scene = Scene::new();
    let sink = scene.sink(SlackAppSettings { digest_over: 1000, ..scene.settings() });
    let texts =
        ["&".repeat(20_000), "😀<!channel>\n".repeat(3_000), String::new(), "\u{0}\u{202e}".repeat(500)];
    for (number, text) in (1..).zip(&texts) {
        for (step, kind) in EVERY_KIND.into_iter().chain(EVERY_KIND).enumerate() {
            let facts = vec![(text.clone(), text.clone()); 100];
            let news = News { text: text.clone(), facts, ..about(number, kind, text) };
            sink.deliver(&news, &format!("{number}-{step}")).await.unwrap();
        }
    }
    assert_eq!(scene.slack.refusals(), Vec::<String>::new());
    assert!(!scene.slack.messages().iter().any(|message| message.read().contains("<!")));
    assert_eq!(scene.roots().len(), texts.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn news_goes_to_the_channel_that_it_is_for() {
    let scene = Scene::new();
    let route = |matchers: &[&str]| ChannelRoute {
        matchers: matchers.iter().map(|text| Matcher::parse(text).unwrap()).collect(),
        channel: "#critical".into(),
    };
    let routes = vec![
        route(&[r#"severity="critical""#, r#"namespace=~"prod.*""#]),
        route(&[r#"rule="disk""#]),
        route(&[r#"level="2""#]),
    ];
    let sink = scene.sink(SlackAppSettings { routes, ..scene.settings() });
    let of = |severity: &str, namespace: &str, rule: &str, escalation| News {
        severity: Some(severity.into()),
        namespace: Some(namespace.into()),
        rule: Some(rule.into()),
        escalation,
        ..news()
    };
    let cases = [
        (of("critical", "production", "x", None), "C1"),
        (of("critical", "test", "x", None), "C0"),
        (of("warning", "test", "disk", None), "C1"),
        (of("warning", "test", "x", Some(1)), "C0"),
        (of("warning", "test", "x", Some(2)), "C1"),
    ];
    for (number, (news, channel)) in (1..).zip(cases) {
        let news = News { issue: Some(IssueId(number)), ..news };
        sink.deliver(&news, &number.to_string()).await.unwrap();
        assert_eq!(scene.roots().last().unwrap().channel, channel, "{news:?}");
    }
    // What is about no issue is a message of its own.
    sink.deliver(&News { issue: None, kind: NewsKind::Switch, ..news() }, "s").await.unwrap();
    assert_eq!(scene.roots().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_becomes_one_message() {
    let scene = Scene::new();
    let sink = scene.sink(SlackAppSettings { digest_over: 5, ..scene.settings() });
    let mut waiting = Vec::new();
    for number in 1..=200 {
        let title = if number % 2 == 0 { "disk: skipped" } else { "load: skipped" };
        let news = about(number, NewsKind::Outcome, title);
        if let Err(fault) = sink.deliver(&news, &number.to_string()).await {
            assert_eq!((fault.retry, fault.after), (true, Some(GATHER)), "{fault}");
            waiting.push((news, number.to_string()));
        }
    }
    assert_eq!((scene.roots().len(), waiting.len()), (5, 1));
    scene.clock.advance(GATHER);
    // The process has died meanwhile: what was gathered is not lost.
    let sink = scene.sink(SlackAppSettings { digest_over: 5, ..scene.settings() });
    for (news, key) in &waiting {
        sink.deliver(news, key).await.unwrap();
    }
    let digest = scene.roots().pop().unwrap();
    let all = "<https://selfheal.example.org/#/issues|the dashboard>";
    for part in ["195 messages since", "98 × 📝 disk: skipped", "97 × 📝 load: skipped", all] {
        assert!(digest.read().contains(part), "{part}: {}", digest.read());
    }
    assert_eq!(scene.roots().len(), 6);
    // More of it changes the same message; what was only in the digest has no thread to go on with.
    let mut sink = sink;
    sink.settings.digest_over = 0;
    let (more, key) = (about(300, NewsKind::Outcome, "disk: skipped"), "300");
    sink.deliver(&more, key).await.unwrap_err();
    sink.deliver(&more, key).await.unwrap();
    assert!(scene.roots()[5].read().contains("99 × 📝 disk: skipped"));
    assert_eq!((scene.roots().len(), scene.roots()[5].edits), (6, 1));
    sink.deliver(&about(150, NewsKind::Closed, "disk: closed"), "c").await.unwrap();
    assert_eq!(scene.slack.messages().len(), 6);
    // The next flood is told by a message of its own, since nobody hears of one that is changed.
    scene.clock.advance(Duration::from_secs(61));
    let (later, key) = (about(301, NewsKind::Outcome, "disk: skipped"), "301");
    sink.deliver(&later, key).await.unwrap_err();
    sink.deliver(&later, key).await.unwrap();
    assert!(scene.roots()[6].read().contains("1 message since"), "{}", scene.roots()[6].read());
    assert_eq!((scene.roots().len(), scene.roots()[5].edits), (7, 1));
    assert_eq!(scene.slack.refusals(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_buries_nothing_that_needs_a_person_and_no_other_channel() {
    let scene = Scene::new();
    let matchers = vec![Matcher::parse(r#"severity="critical""#).unwrap()];
    let routes = vec![ChannelRoute { matchers, channel: "#critical".into() }];
    let sink = scene.sink(SlackAppSettings { digest_over: 1, routes, ..scene.settings() });
    let of = |issue, kind, severity: &str| News {
        severity: Some(severity.into()),
        facts: vec![("Resource".into(), format!("job/{issue}"))],
        ..about(issue, kind, "load: told")
    };
    for number in 1..=30 {
        let _ = sink.deliver(&of(number, NewsKind::Outcome, "low"), &number.to_string()).await;
    }
    assert_eq!(scene.roots().len(), 1);
    for (number, kind, severity, channel, button) in [
        (31, NewsKind::Person, "critical", "C1", Some(thread::ACKNOWLEDGE)),
        (32, NewsKind::Approval, "critical", "C1", Some(thread::APPROVE)),
        (33, NewsKind::Person, "low", "C0", Some(thread::ACKNOWLEDGE)),
        (34, NewsKind::Storm, "low", "C0", None),
    ] {
        sink.deliver(&of(number, kind, severity), &number.to_string()).await.unwrap();
        let told = scene.roots().pop().unwrap();
        assert_eq!((told.channel.as_str(), told.edits), (channel, 0));
        let (link, resource) = (format!("/#/issues/issue-{number}|"), format!("job/{number}"));
        assert!(told.read().contains(&link) && told.read().contains(&resource), "{}", told.read());
        assert!(button.is_none_or(|button| told.button(button).is_some()));
        sink.deliver(&of(number, NewsKind::Closed, severity), &format!("{number}-closed")).await.unwrap();
        assert!(scene.roots().pop().unwrap().read().contains("closed"), "it goes on in its own message");
    }
    // Each channel has its own digest.
    for (key, severity) in [("2", "low"), ("40", "critical"), ("40", "critical")] {
        let _ = sink.deliver(&of(key.parse().unwrap(), NewsKind::Outcome, severity), key).await;
    }
    let digests: Vec<_> =
        scene.roots().into_iter().filter(|root| root.read().contains("There are too many")).collect();
    let told: Vec<_> = digests.iter().map(|digest| digest.channel.as_str()).collect();
    assert_eq!(told, ["C0", "C1"]);
    assert!(digests[0].read().contains("29 messages since"), "{}", digests[0].read());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_called_hears_of_it_in_the_channel_that_it_is_for() {
    let scene = Scene::new();
    let matchers = vec![Matcher::parse(r#"level="2""#).unwrap()];
    let routes = vec![ChannelRoute { matchers, channel: "#critical".into() }];
    let sink = || scene.sink(SlackAppSettings { routes: routes.clone(), ..scene.settings() });
    let (opened, asked) =
        (about(1, NewsKind::Opened, "disk: opened"), about(1, NewsKind::Approval, "disk: asked"));
    let second = News { escalation: Some(2), ..asked.clone() };
    // What is told, then how many messages there are by channel, and whether the reply is shown in the channel.
    let course = [(&opened, [1, 0], None), (&asked, [1, 0], Some(true)), (&second, [1, 1], Some(false))];
    for (number, (news, expected, broadcast)) in course.into_iter().enumerate() {
        for _ in 0..2 {
            sink().deliver(news, &number.to_string()).await.unwrap();
        }
        let count = |channel: &str| scene.roots().iter().filter(|root| root.channel == channel).count();
        assert_eq!([count("C0"), count("C1")], expected);
        let replies: Vec<_> =
            scene.slack.messages().into_iter().filter(|message| message.thread.is_some()).collect();
        let last = replies.last().and_then(|reply| reply.content["reply_broadcast"].as_bool());
        assert_eq!((replies.len(), last), (number, broadcast));
    }
    let buttons: Vec<_> = scene.roots().iter().map(|root| root.button(thread::APPROVE)).collect();
    assert!(buttons[0].is_some() && buttons[0] == buttons[1], "{buttons:?}");
    // Both say how it goes on.
    sink().deliver(&about(1, NewsKind::Answered, "disk: answered"), "a").await.unwrap();
    assert!(scene.roots().iter().all(|root| root.button(thread::APPROVE).is_none()));
    assert_eq!(scene.slack.refusals(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_to_do_and_waits_are_kept() {
    let scene = Scene::new();
    let sink = scene.sink(scene.settings());
    scene.slack.limit(1);
    let fault = sink.deliver(&news(), "k").await.unwrap_err();
    assert_eq!((fault.retry, fault.after), (true, Some(Duration::from_secs(30))), "{fault}");
    // Slack asked to be left alone: nobody asks it meanwhile.
    let asked = scene.slack.server().count();
    scene.clock.advance(Duration::from_secs(10));
    let fault = sink.deliver(&news(), "k").await.unwrap_err();
    assert_eq!((fault.after, scene.slack.server().count()), (Some(Duration::from_secs(20)), asked));
    scene.clock.advance(Duration::from_secs(20));
    sink.deliver(&news(), "k").await.unwrap();

    let elsewhere = |change: fn(&mut SlackAppSettings)| {
        let mut settings = scene.settings();
        change(&mut settings);
        scene.sink(settings)
    };
    let other = || News { issue: Some(IssueId(99)), ..news() };
    let cases: [(SlackApp, &str); 2] = [
        (elsewhere(|settings| settings.token = Secret::new("xoxb-wrong")), "invalid_auth (the token"),
        (elsewhere(|settings| settings.channel = "#gone".into()), "channel_not_found (invite"),
    ];
    for (sink, part) in cases {
        let fault = sink.deliver(&other(), "k").await.unwrap_err();
        assert!(fault.retry && fault.after.is_some() && fault.what.contains(part), "{fault}");
        assert!(!fault.what.contains("xoxb-wrong"), "a secret: {fault}");
    }
    scene.slack.server().script([Reply::status(500), Reply::hang_up(), Reply::status(200).body("<html>")]);
    for part in ["answered 500", "no answer", "no answer that Slack would give"] {
        let fault = sink.deliver(&other(), "k").await.unwrap_err();
        assert!(fault.retry && fault.what.contains(part), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_somebody_deleted_is_made_anew() {
    let scene = Scene::new();
    let sink = scene.sink(scene.settings());
    sink.deliver(&about(1, NewsKind::Person, "disk: failed"), "a").await.unwrap();
    scene.slack.delete(&scene.roots()[0].ts);
    sink.deliver(&about(1, NewsKind::Outcome, "disk: recovered"), "b").await.unwrap();
    assert!(scene.roots()[0].read().contains("disk: recovered"));
}
