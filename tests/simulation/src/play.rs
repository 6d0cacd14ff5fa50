//! Carries a schedule out, lets it become calm, and has the end judged.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use selfheal_core::issue::Outcome;
use selfheal_runtime::dry_run::DryRun;
use selfheal_runtime::ports::Journal;
use selfheal_runtime::ports::journal::{ApprovalFilter, IssueFilter, RemediationFilter};
use serde_json::Value;

use crate::alerts;
use crate::house::House;
use crate::oracle::{Invariant, Violation};
use crate::rules;
use crate::schedule::{AlertNumber, Event, Part, Schedule, Sent, What};
use crate::weather::Weather;
use crate::world::World;

/// The calm after the storm: so many times so long, at most.
const CALM_ROUNDS: u32 = 60;
const CALM_ROUND: Duration = Duration::from_secs(180);

/// In the calm, all processes say the same of the switch after so long; one that is just being turned gets more of it.
const AGREE_WITHIN: Duration = Duration::from_secs(10);
const AGREE_TRIES: u32 = 3;

/// How time passes while a process starts.
const START_STEP: Duration = Duration::from_millis(500);

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The first invariant that did not hold.
    pub violation: Option<Violation>,
    /// What tells this run from another.
    pub hash: u64,
    /// What happened last, if that was to be remembered.
    pub lines: Vec<String>,
    /// How issues ended.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Remediations.
    pub remediations: u64,
    /// Effects at the target.
    pub effects: u64,
    /// Effects that were taken back.
    pub undone: u64,
    /// Processes.
    pub processes: u64,
    /// Virtual time.
    pub lasted: Duration,
}

/// Carries a schedule out; with `lines`, remembers what happened last.
pub fn play(schedule: &Schedule, lines: bool) -> Summary {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime without threads and without drivers needs nothing");
    let world = World::new(schedule.seed, schedule.character.clone(), lines);
    watch_panics();
    PLAYING.set(true);
    let mut summary = runtime.block_on(carry_out(schedule, &world));
    drop(runtime);
    PLAYING.set(false);
    if let Some(what) = PANIC.with_borrow_mut(Option::take) {
        world.oracle.broken(Invariant::GoesOn, what);
    }
    summary.violation = world.oracle.violation();
    summary.hash = world.oracle.hash();
    summary.lines = world.oracle.lines();
    summary
}

thread_local! {
    /// What panicked on this thread; the engine goes on where a look panics, and the simulation must not.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Whether this thread simulates.
    static PLAYING: Cell<bool> = const { Cell::new(false) };
}

/// Takes note of what panics in a simulation, so that its seed fails by it.
fn watch_panics() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        let otherwise = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !PLAYING.get() {
                return otherwise(panic);
            }
            let what = panic.to_string();
            PANIC.with_borrow_mut(|first| {
                first.get_or_insert(what);
            });
        }));
    });
}

async fn carry_out(schedule: &Schedule, world: &Arc<World>) -> Summary {
    let mut player = Player::new(world);
    player.revive().await;
    for Event { after, what } in &schedule.events {
        world.timeline.advance(*after).await;
        player.revive().await;
        world.oracle.note("event", 0, || format!("{what:?}"));
        player.happens(what).await;
        world.pulse.settle().await;
        if world.oracle.violation().is_some() {
            return Summary::default();
        }
    }
    player.calm_down().await;
    if world.oracle.violation().is_none() {
        world.oracle.judge_the_end(&world.journal, &world.target).await;
        let calls = player.calls.load(Ordering::Relaxed);
        if calls > 0 {
            world.oracle.broken(Invariant::GoesOn, format!("{calls} calls were never answered"));
        }
    }
    player.summary().await
}

struct Player<'w> {
    world: &'w Arc<World>,
    /// One for each process; `None` until it has started, or when it did not.
    houses: Vec<Option<House>>,
    /// Whose turn it is: what happens to one process happens to each in its turn.
    turn: usize,
    processes: u64,
    edition: u32,
    without: Option<usize>,
    /// Notifications that were sent.
    sent: Vec<Vec<u8>>,
    /// Calls that are not answered yet.
    calls: Arc<AtomicUsize>,
    /// Instances that only one alert is about.
    others: u64,
}

impl<'w> Player<'w> {
    fn new(world: &'w Arc<World>) -> Self {
        let calls = Arc::default();
        let houses = (0..world.character.replicas.max(1)).map(|_| None).collect();
        Self {
            world,
            houses,
            turn: 0,
            processes: 0,
            edition: 1,
            without: None,
            sent: Vec::new(),
            calls,
            others: 0,
        }
    }

    fn rules(&self) -> Vec<selfheal_script::RuleFile> {
        let mut numbers = self.world.character.rules.clone();
        numbers.retain(|number| Some(*number) != self.without);
        rules::files(&numbers, self.edition)
    }

    /// The place of the process whose turn it is.
    fn next(&mut self) -> usize {
        self.turn = (self.turn + 1) % self.houses.len();
        self.turn
    }

    async fn restart(&mut self, place: usize, death: Option<crate::gate::Appointment>) {
        self.houses[place] = None;
        self.processes += 1;
        let (world, number, rules) = (Arc::clone(self.world), self.processes, self.rules());
        let starting = tokio::spawn(async move { House::start(&world, number, rules, death).await });
        // A slow journal takes its time, which must pass.
        self.world.pulse.settle().await;
        while !starting.is_finished() {
            self.world.timeline.advance(START_STEP).await;
        }
        // A start that panicked has been noted.
        self.houses[place] = starting.await.ok().flatten();
    }

    /// Starts processes where the last ones have ended.
    async fn revive(&mut self) {
        for place in 0..self.houses.len() {
            if !self.houses[place].as_ref().is_some_and(House::lives) {
                self.restart(place, None).await;
            }
        }
    }

    /// Makes a call of an engine, which is answered when it is answered.
    fn call<F>(&mut self, make: impl FnOnce(Arc<selfheal_runtime::Engine>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let place = self.next();
        self.call_at(place, make);
    }

    fn call_at<F>(&self, place: usize, make: impl FnOnce(Arc<selfheal_runtime::Engine>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(house) = &self.houses[place] else { return };
        let (life, calls) = (Arc::clone(&house.porch.life), Arc::clone(&self.calls));
        calls.fetch_add(1, Ordering::Relaxed);
        let made = make(Arc::clone(&house.engine));
        tokio::spawn(async move {
            let _ = life.during(made).await;
            calls.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// Sends a body. What is answered with 200 is promised.
    fn send(&mut self, body: Vec<u8>) {
        let place = self.next();
        self.send_to(place, body);
    }

    fn send_to(&self, place: usize, body: Vec<u8>) {
        let world = Arc::clone(self.world);
        self.call_at(place, async move |engine| {
            let troubles = world.oracle.journal_troubles();
            let answer = engine.receive(body.clone(), "alertmanager", None).await;
            world.oracle.note("answer", u64::from(answer.is_ok()), || format!("{answer:?}"));
            match answer {
                Ok(_) => world.oracle.acknowledged(alerts::of(&body)),
                Err(refused) if world.oracle.journal_troubles() == troubles => {
                    let what = format!("the journal can be written, and the answer is: {refused}");
                    world.oracle.broken(Invariant::NotificationsFailOpen, what);
                }
                Err(_) => {}
            }
        });
    }

    async fn happens(&mut self, what: &What) {
        let world = self.world;
        match what {
            What::Fire(numbers, sent) => self.notify(numbers, *sent, true),
            What::Resolve(numbers, sent) => self.notify(numbers, *sent, false),
            What::Repeat(which) => {
                let place =
                    which.checked_rem(self.sent.len() as u64).and_then(|place| usize::try_from(place).ok());
                if let Some(body) = place.and_then(|place| self.sent.get(place)) {
                    self.send(body.clone());
                }
            }
            What::Storm(rule, count) => {
                let fired = (0..*count).map(|_| self.fires_anew(*rule)).collect();
                self.send(alerts::body(fired, 0, false));
            }
            What::Release(rule) => {
                let rule = rules::name(*rule);
                self.call(async move |engine| {
                    // The journal may be down; then nothing is released.
                    let _ = engine.release_storm(rule, "ann").await;
                });
            }
            What::DryRun(rule) => self.dry_run(*rule).await,
            What::Disturb(instance) => {
                let name = format!("i{instance}");
                world.oracle.disturbed(&name);
                world.target.disturb(&name);
            }
            What::Down(part) => world.weather.set(flag(*part), true),
            What::Up(part) => world.weather.set(flag(*part), false),
            What::Forget => {
                world.oracle.ledger_forgot();
                world.ledger.forget();
            }
            What::Kill(death) => {
                let place = self.next();
                self.restart(place, *death).await;
            }
            What::Freeze(seconds) => self.freeze(Duration::from_secs(*seconds)),
            What::Reload { edition, without } => {
                let files = if *edition == 0 {
                    rules::broken()
                } else {
                    (self.edition, self.without) = (*edition, Some(*without));
                    self.rules()
                };
                for place in 0..self.houses.len() {
                    let files = files.clone();
                    self.call_at(place, async move |engine| {
                        // What does not compile is refused, and the rules in use stay.
                        let _ = engine.load_rules(files).await;
                    });
                }
            }
            // The server of a shared journal, or of a ledger that outlives the process, has a clock of its own, by which
            // leases go.
            What::SetClock(_) if self.houses.len() > 1 || world.character.ledger_outlives => {}
            What::SetClock(seconds) => {
                world.oracle.clock_was_set();
                world.wall.set(*seconds);
            }
            What::Answer(which, granted, right) => self.answer(*which, *granted, *right).await,
            What::Switch(on) => {
                let on = *on;
                self.call(async move |engine| {
                    // The journal may be down; off is off in this process all the same.
                    let _ = engine.turn_switch(on, "ann", "she says so").await;
                });
            }
        }
    }

    /// Alerts fire or are resolved, and a notification of it may come.
    fn notify(&mut self, numbers: &[AlertNumber], sent: Sent, fire: bool) {
        let (world, now) = (self.world, self.world.timeline.now());
        let mut told = Vec::new();
        for (rule, instance) in numbers {
            let (name, instance) = (rules::name(*rule), format!("i{instance}"));
            let same = |alert: &selfheal_core::alert::Alert| {
                alert.name() == name && alert.labels.get("instance") == Some(instance.as_str())
            };
            if fire {
                let stands = world.standing.find(same);
                let starts_at = stands.map_or(now, |alert| alert.starts_at);
                let alert = alerts::alert(name, &instance, starts_at, None);
                alerts::read(alert.clone()).into_iter().for_each(|alert| world.standing.fires(alert));
                told.push(alert);
            } else if let Some(alert) = world.standing.goes(same) {
                told.push(alerts::again(&alert, Some(now)));
            }
        }
        let whole = told.len();
        let (truncated, malformed) = match sent {
            Sent::Whole => (0, false),
            Sent::Malformed => (0, true),
            Sent::Cut => {
                told.truncate(1);
                (whole.saturating_sub(1), false)
            }
            Sent::Lost => return,
        };
        if told.is_empty() {
            return;
        }
        let body = alerts::body(told, truncated, malformed);
        self.sent.push(body.clone());
        self.send(body);
    }

    /// An alert about an instance that nothing was about before.
    fn fires_anew(&mut self, rule: usize) -> Value {
        self.others += 1;
        let alert = alerts::alert(
            rules::name(rule),
            &format!("other-{}", self.others),
            self.world.timeline.now(),
            None,
        );
        alerts::read(alert.clone()).into_iter().for_each(|alert| self.world.standing.fires(alert));
        alert
    }

    /// Asks what would be done about an alert, and lets it fire in the same moment.
    async fn dry_run(&mut self, rule: usize) {
        let alert = self.fires_anew(rule);
        let body = alerts::body(vec![alert.clone()], 0, false);
        let calm = self.world.weather.is(|weather| &weather.calm);
        self.world.weather.set(|weather| &weather.calm, true);
        let (told, asked) = (Arc::new(std::sync::OnceLock::<DryRun>::new()), body.clone());
        let tell = Arc::clone(&told);
        // The same process for both: how often actions helped elsewhere is known within a minute only.
        let place = self.next();
        self.call_at(place, async move |engine| {
            if let Ok(answer) = engine.dry_run(&asked, None).await {
                // Nobody else tells.
                let _ = tell.set(answer);
            }
        });
        self.world.pulse.settle().await;
        self.send_to(place, body);
        self.world.pulse.settle().await;
        self.world.weather.set(|weather| &weather.calm, calm);
        let wanted = told.get().and_then(|told| {
            let looks = told.alerts.first()?.rules.iter();
            looks.filter_map(|look| look.decision.as_ref()).find_map(|decision| decision.plan_hash())
        });
        let fingerprint = alerts::read(alert).map(|alert| alert.fingerprint);
        let filter = IssueFilter { fingerprint, limit: 1, ..IssueFilter::default() };
        let Some(issue) = self.world.journal.issues(filter).await.unwrap_or_default().pop() else { return };
        let Ok(Some(story)) = self.world.journal.story(issue.id).await else { return };
        let mut decided = story.records.iter().filter_map(|record| record.facts["plan_hash"].as_str());
        if let (Some(wanted), Some(decided)) = (wanted, decided.next())
            && wanted.to_string() != decided
        {
            let what = format!("{}: dry-run shows plan {wanted}, and decided is {decided}", issue.id);
            self.world.oracle.broken(Invariant::DryRunIsRun, what);
        }
    }

    /// Freezes a process for a time.
    fn freeze(&mut self, time: Duration) {
        let place = self.next();
        let Some(house) = &self.houses[place] else { return };
        let (life, world) = (Arc::clone(&house.porch.life), Arc::clone(self.world));
        life.freeze();
        // What it was asked is answered late.
        world.oracle.journal_is_in_trouble();
        tokio::spawn(async move {
            world.timeline.sleep(time).await;
            world.oracle.journal_is_in_trouble();
            life.thaw();
        });
    }

    async fn answer(&mut self, which: u64, granted: bool, right: bool) {
        let Ok(open) = self.world.journal.approvals(ApprovalFilter::open(100)).await else { return };
        let place = which.checked_rem(open.len() as u64).and_then(|place| usize::try_from(place).ok());
        let Some(approval) = place.and_then(|place| open.get(place)) else { return };
        let id = approval.id.clone();
        let hash = if right {
            approval.plan_hash
        } else {
            selfheal_core::hash::ContentHash::of_parts([b"another plan".as_slice()])
        };
        self.call(async move |engine| {
            // A conflict is an answer, too.
            let _ = engine.answer(&id, hash, granted, "bob", "he says so").await;
        });
    }

    /// Everything is up and stays up, all alerts are resolved, the switch is on; what is left to do gets its time.
    async fn calm_down(&mut self) {
        let world = self.world;
        world.weather.clear();
        while world.standing.goes(|_| true).is_some() {}
        self.without = None;
        self.revive().await;
        self.agree().await;
        for _ in 0..CALM_ROUNDS {
            self.revive().await;
            for place in 0..self.houses.len() {
                let rules = self.rules();
                self.call_at(place, async move |engine| {
                    // The texts are good; the journal can be read.
                    let _ = engine.load_rules(rules).await;
                    if !engine.switch.position().on {
                        let _ = engine.turn_switch(true, "ann", "it is calm").await;
                    }
                });
            }
            world.timeline.advance(CALM_ROUND).await;
            if world.oracle.violation().is_some() {
                return;
            }
            let firing = world.journal.open_fingerprints().await.unwrap_or_default();
            if firing.is_empty() && world.oracle.is_over(&world.journal).await {
                return;
            }
            let mut resolved = Vec::new();
            for (_, issue, _) in firing {
                if let Ok(Some(issue)) = world.journal.issue(issue).await {
                    resolved.push(alerts::again(&issue.alert, Some(world.timeline.now())));
                }
            }
            if !resolved.is_empty() {
                self.send(alerts::body(resolved, 0, false));
            }
        }
    }

    /// Who turned the switch off without the journal is heard by all when that answers again.
    async fn agree(&self) {
        let mut stands = Vec::new();
        for _ in 0..AGREE_TRIES {
            self.world.timeline.advance(AGREE_WITHIN).await;
            let alive = self.houses.iter().flatten().filter(|house| house.lives());
            let awake = alive.filter(|house| !house.porch.life.is_frozen());
            stands = awake.map(|house| house.porch.switch_is_on()).collect();
            if stands.windows(2).all(|pair| pair[0] == pair[1]) {
                return;
            }
        }
        self.world.oracle.broken(
            Invariant::SwitchHolds,
            format!("processes that all reach the journal say otherwise of the switch: {stands:?}"),
        );
    }

    async fn summary(&self) -> Summary {
        let filter = IssueFilter { limit: 1000, ..IssueFilter::default() };
        let mut outcomes = BTreeMap::new();
        for issue in self.world.journal.issues(filter).await.unwrap_or_default() {
            if let Some(outcome) = issue.outcome {
                *outcomes.entry(outcome).or_default() += 1;
            }
        }
        let filter = RemediationFilter { limit: 10_000, ..RemediationFilter::default() };
        let remediations = self.world.journal.remediations(filter).await.unwrap_or_default().len() as u64;
        let (effects, undone) = self.world.oracle.effects();
        let (processes, lasted) = (self.processes, self.world.timeline.elapsed());
        Summary { outcomes, remediations, effects, undone, processes, lasted, ..Summary::default() }
    }
}

fn flag(part: Part) -> fn(&Weather) -> &std::sync::atomic::AtomicBool {
    match part {
        Part::Journal => |weather| &weather.journal_down,
        Part::Ledger => |weather| &weather.ledger_down,
        Part::Target => |weather| &weather.target_down,
        Part::TargetsMemory => |weather| &weather.target_blind,
        Part::Sinks => |weather| &weather.sinks_down,
        Part::Source => |weather| &weather.source_down,
    }
}
