//! One cluster: its client, made on first use and anew when the server no longer accepts its login, and the few kinds of
//! requests that adapters make.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use kube::Client;
use selfheal_contract::Failure;
use serde_json::{Value, json};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use crate::exchange::{PatchKind, Question, Run};
use crate::fault::{self, Status};
use crate::kind::{Kind, Reference, kinds};
use crate::name::part;
use crate::object::Object;
use crate::settings::{ClusterSettings, Timeouts, Where};
use crate::source::{self, NoClient};

/// Requests at the same time to one server; more wait for their turn.
const EXCHANGES_MAX: usize = 16;

/// The longest time for which selfheal waits by itself when a server asks to be left alone; a longer wait is the
/// remediation's.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Times that one question is sent when the server answers 429.
const SENDINGS_MAX: u32 = 3;

/// Bytes of an answer. The largest object that etcd holds has 1.5 MiB; a list is asked for in pieces.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// One cluster.
pub struct Cluster {
    settings: ClusterSettings,
    timeouts: Timeouts,
    /// Where rules may act; everywhere, if empty.
    namespaces: Vec<String>,
    turns: Semaphore,
    link: Mutex<Link>,
    /// Until when the server asked to be left alone.
    quiet_until: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Link {
    client: Option<Client>,
    /// Counts the clients made, so that of many that see one 401 only one makes a new one.
    made: u64,
}

/// Which objects of a kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection<'a> {
    /// A label selector; empty selects all.
    pub labels: &'a str,
    /// A field selector; empty selects all.
    pub fields: &'a str,
    /// The most that are listed; 0 is as many as there are, which only suits kinds that are few.
    pub at_most: u32,
}

/// Objects of a kind.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The objects.
    pub items: Vec<Value>,
    /// Whether there are more than were asked for.
    pub more: bool,
    /// The server's time of the answer.
    pub date: Option<Timestamp>,
}

struct Answer {
    body: Value,
    date: Option<Timestamp>,
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the cluster {:?}", self.settings.name)
    }
}

impl Cluster {
    /// A cluster that is connected to on first use.
    pub fn new(settings: ClusterSettings, timeouts: Timeouts) -> Self {
        Self {
            settings,
            timeouts,
            namespaces: Vec::new(),
            turns: Semaphore::new(EXCHANGES_MAX),
            link: Mutex::default(),
            quiet_until: Mutex::default(),
        }
    }

    /// A cluster behind a client that exists already, for tests of single exchanges.
    pub fn over(name: &str, client: Client, timeouts: Timeouts) -> Self {
        let settings = ClusterSettings { name: name.to_owned(), at: Where::InCluster, url: None };
        let cluster = Self::new(settings, timeouts);
        Self { link: Mutex::new(Link { client: Some(client), made: 1 }), ..cluster }
    }

    /// The same cluster, where rules may act in these namespaces only; everywhere, if there are none.
    #[must_use]
    pub fn confined(self, namespaces: Vec<String>) -> Self {
        Self { namespaces, ..self }
    }

    /// Why an object may not be changed: its namespace is none of those in which rules may act. What is in no namespace is
    /// not meant.
    pub fn forbids(&self, of: Reference<'_>) -> Option<String> {
        let is_free = !of.kind.namespaced || self.namespaces.is_empty();
        if is_free || self.namespaces.iter().any(|namespace| namespace == of.namespace) {
            return None;
        }
        let namespaces = self.namespaces.join(", ");
        Some(format!(
            "{of} may not be changed: the adapter's namespaces, in which rules act, are {namespaces}"
        ))
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Its name and where it is, for people; none when nobody has said where, and selfheal runs in none.
    pub fn place(&self) -> Option<String> {
        let ClusterSettings { at, url, .. } = &self.settings;
        let is_nowhere = *at == Where::InCluster && url.is_none() && !source::is_inside();
        (!is_nowhere).then(|| self.settings.place())
    }

    /// How an object of this cluster is called as a target, by every adapter that may change it:
    /// `kubernetes/cluster/namespace/kind/name`, without the namespace for kinds that have none.
    pub fn target(&self, of: Reference<'_>) -> String {
        let Reference { kind, namespace, name } = of;
        let adapter = if *kind == kinds::ROLLOUT { "argo_rollouts" } else { "kubernetes" };
        let names = [self.name(), namespace, kind.word, name].into_iter().filter(|name| !name.is_empty());
        [adapter.to_owned()].into_iter().chain(names.map(part)).collect::<Vec<_>>().join("/")
    }

    /// The time that an answer may take.
    pub fn answer_within(&self) -> Duration {
        self.timeouts.answer.duration()
    }

    /// Reads an object.
    ///
    /// # Errors
    /// `Refused` when it is not there or may not be read, `Transient` when there was no answer.
    pub async fn get(&self, of: Reference<'_>) -> Result<Object, Failure> {
        self.object(Question::new("get", of.kind, None, of.to_string(), of.path(None))).await
    }

    /// Reads an object that may not be there.
    ///
    /// # Errors
    /// As for [`get`](Self::get); a kind that the server does not know is `Refused`.
    pub async fn find(&self, of: Reference<'_>) -> Result<Option<Object>, Failure> {
        let question = Question::new("get", of.kind, None, of.to_string(), of.path(None));
        match self.exchange(&question).await? {
            Ok(answer) => Ok(Some(answer.into())),
            Err(refusal) if refusal.code == 404 && refusal.status.is_of_object() => Ok(None),
            Err(refusal) => Err(self.refused(&question, &refusal)),
        }
    }

    /// Lists objects of a kind, in one namespace or (`None`) in all.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn list(
        &self,
        kind: &'static Kind,
        namespace: Option<&str>,
        selection: Selection<'_>,
    ) -> Result<Listed, Failure> {
        let subject = match namespace {
            Some(namespace) => format!("{}s of namespace {namespace}", kind.word),
            None => format!("{}s", kind.word),
        };
        let mut question = Question::new("list", kind, None, subject, kind.path(namespace));
        for (name, value) in [("labelSelector", selection.labels), ("fieldSelector", selection.fields)] {
            if !value.is_empty() {
                question = question.query(name, value);
            }
        }
        if selection.at_most > 0 {
            question = question.query("limit", &selection.at_most.to_string());
        }
        let mut answer = self.ask(&question).await?;
        let more = answer.body["metadata"]["continue"].as_str().is_some_and(|text| !text.is_empty());
        let items = match answer.body["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        };
        Ok(Listed { items, more, date: answer.date })
    }

    /// Patches an object, or one of its subresources; sends a real change at most once.
    ///
    /// # Errors
    /// As for [`get`](Self::get); `Transient` on a conflict with a precondition in the patch; `Indeterminate` when a real
    /// change was sent and the answer did not come.
    pub async fn patch(
        &self,
        of: Reference<'_>,
        subresource: Option<&str>,
        kind: PatchKind,
        patch: &Value,
        run: Run,
    ) -> Result<Object, Failure> {
        self.object(Self::patching(of, subresource, kind, patch, run)).await
    }

    /// As [`patch`](Self::patch), but a conflict with a precondition is `None`, for those who read anew and try again: see
    /// [`crate::Tries`].
    ///
    /// # Errors
    /// As for [`patch`](Self::patch).
    pub async fn try_patch(
        &self,
        of: Reference<'_>,
        subresource: Option<&str>,
        kind: PatchKind,
        patch: &Value,
    ) -> Result<Option<Object>, Failure> {
        self.try_run(of, subresource, kind, patch, Run::Real).await
    }

    /// As [`try_patch`](Self::try_patch), run in one of the ways.
    ///
    /// # Errors
    /// As for [`patch`](Self::patch).
    pub async fn try_run(
        &self,
        of: Reference<'_>,
        subresource: Option<&str>,
        kind: PatchKind,
        patch: &Value,
        run: Run,
    ) -> Result<Option<Object>, Failure> {
        let question = Self::patching(of, subresource, kind, patch, run);
        match self.exchange(&question).await? {
            Ok(answer) => Ok(Some(answer.into())),
            Err(refusal) if refusal.code == 409 => Ok(None),
            Err(refusal) => Err(self.refused(&question, &refusal)),
        }
    }

    fn patching(
        of: Reference<'_>,
        subresource: Option<&str>,
        kind: PatchKind,
        patch: &Value,
        run: Run,
    ) -> Question {
        Question::new("patch", of.kind, subresource, of.to_string(), of.path(subresource))
            .body(kind.content_type(), patch)
            .run(run)
    }

    /// Creates an object; `None` when one of its name is there already.
    ///
    /// # Errors
    /// As for [`patch`](Self::patch).
    pub async fn create(
        &self,
        of: Reference<'_>,
        object: &Value,
        run: Run,
    ) -> Result<Option<Object>, Failure> {
        let namespace = Some(of.namespace).filter(|namespace| !namespace.is_empty());
        let question = Question::new("create", of.kind, None, of.to_string(), of.kind.path(namespace))
            .body("application/json", object)
            .run(run);
        match self.exchange(&question).await? {
            Ok(answer) => Ok(Some(answer.into())),
            Err(refusal) if refusal.code == 409 => Ok(None),
            Err(refusal) => Err(self.refused(&question, &refusal)),
        }
    }

    /// Deletes a network policy that still has this uid; `false` when it is not there. There is no way to delete anything
    /// else.
    ///
    /// # Errors
    /// As for [`patch`](Self::patch).
    pub async fn delete_network_policy(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<bool, Failure> {
        let of = Reference::new(&kinds::NETWORK_POLICY, namespace, name);
        let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": { "uid": uid } });
        let question = Question::new("delete", of.kind, None, of.to_string(), of.path(None))
            .body("application/json", &options)
            .run(Run::Real);
        match self.exchange(&question).await? {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.code == 404 => Ok(false),
            Err(refusal) => Err(self.refused(&question, &refusal)),
        }
    }

    /// Asks whether selfheal has a right; `namespace` is empty for a right in the whole cluster.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn may(
        &self,
        verb: &str,
        group: &str,
        resource: &str,
        subresource: &str,
        namespace: &str,
    ) -> Result<bool, Failure> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": namespace,
            } },
        });
        let kind = &kinds::ACCESS_REVIEW;
        let question = Question::new("create", kind, None, "its own rights".to_owned(), kind.path(None))
            .body("application/json", &review);
        Ok(self.ask(&question).await?.body["status"]["allowed"] == true)
    }

    /// The client, for streams: a watch, a command in a pod.
    ///
    /// # Errors
    /// `Transient` when there is none, with what to do.
    pub async fn client(&self) -> Result<Client, Failure> {
        self.link(None).await.map(|(client, _)| client)
    }

    /// Makes the next use read files and service account anew, when a stream was answered with 401.
    pub async fn forget_client(&self) {
        self.link.lock().await.client = None;
    }

    async fn object(&self, question: Question) -> Result<Object, Failure> {
        self.ask(&question).await.map(Object::from)
    }

    async fn ask(&self, question: &Question) -> Result<Answer, Failure> {
        self.exchange(question).await?.map_err(|refusal| self.refused(question, &refusal))
    }

    fn refused(&self, question: &Question, refusal: &Refusal) -> Failure {
        fault::answered(self, &question.asked(), refusal.code, &refusal.status, refusal.wait)
    }

    /// Sends a question: again where the server did nothing with it (401 with an old token, 429 with a short wait), never
    /// otherwise.
    async fn exchange(&self, question: &Question) -> Result<Result<Answer, Refusal>, Failure> {
        let Ok(turn) = timeout(self.answer_within(), self.turns.acquire()).await else {
            return Err(Failure::transient(format!(
                "{self} is busy with {EXCHANGES_MAX} other questions; try later"
            )));
        };
        let _turn = turn.expect("the semaphore is never closed");
        let mut refused_link = None;
        let mut sendings = 0;
        loop {
            self.wait_until_welcome().await?;
            let (client, made) = self.link(refused_link).await?;
            sendings += 1;
            let refusal = match self.send(&client, question).await? {
                Ok(answer) => return Ok(Ok(answer)),
                Err(refusal) => refusal,
            };
            match refusal.code {
                401 if refused_link.is_none() => refused_link = Some(made),
                429 => {
                    let wait = refusal.wait.unwrap_or_default();
                    *self.quiet_until.lock().await = Some(Instant::now() + wait);
                    if refusal.wait.is_none() || wait > PAUSE_MAX || sendings >= SENDINGS_MAX {
                        return Ok(Err(refusal));
                    }
                }
                _ => return Ok(Err(refusal)),
            }
        }
    }

    async fn wait_until_welcome(&self) -> Result<(), Failure> {
        let until = *self.quiet_until.lock().await;
        let left = until.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default();
        if left > PAUSE_MAX {
            let seconds = left.as_secs();
            return Err(Failure::transient(format!("{self} asks to be left alone for {seconds} s more")));
        }
        sleep(left).await;
        Ok(())
    }

    async fn send(&self, client: &Client, question: &Question) -> Result<Result<Answer, Refusal>, Failure> {
        let request = question.request()?;
        let asked = question.asked();
        let exchange = async {
            let response = client.send(request).await?;
            let (parts, body) = response.into_parts();
            let body = body.collect_bytes().await?;
            Ok::<_, kube::Error>((parts, body))
        };
        // Connecting has its own limit within this one.
        let within = self.answer_within() + self.timeouts.connect.duration();
        let (parts, body) = match timeout(within, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(fault)) => return Err(fault::unanswered(self, &asked, &fault)),
            Err(_) => {
                return Err(fault::silent(self, &asked, &format!("none within {} ms", within.as_millis())));
            }
        };
        if !parts.status.is_success() {
            let wait = seconds(&parts.headers, &header::RETRY_AFTER).map(Duration::from_secs);
            return Ok(Err(Refusal { code: parts.status.as_u16(), status: Status::read(&body), wait }));
        }
        if body.len() > ANSWER_BYTES_MAX {
            return Err(Failure::refused(format!(
                "{self} answered {} bytes about {}",
                body.len(),
                asked.subject
            )));
        }
        let body = serde_json::from_slice(&body)
            .map_err(|fault| fault::silent(self, &asked, &format!("it is no JSON: {fault}")))?;
        Ok(Ok(Answer { body, date: date(&parts.headers) }))
    }

    /// The client, other than the one that was `refused`.
    async fn link(&self, refused: Option<u64>) -> Result<(Client, u64), Failure> {
        let within = self.timeouts.connect.duration() + self.answer_within();
        let unavailable = |words: &str| Failure::transient(format!("{self} cannot be reached: {words}"));
        let Ok(mut link) = timeout(within, self.link.lock()).await else {
            return Err(unavailable("another attempt is still under way"));
        };
        if let Some(client) = link.client.as_ref().filter(|_| refused != Some(link.made)) {
            return Ok((client.clone(), link.made));
        }
        let (settings, timeouts) = (self.settings.clone(), self.timeouts);
        let runtime = tokio::runtime::Handle::current();
        // Files are read and a token's program may run: that must not hold up other tasks.
        let making =
            tokio::task::spawn_blocking(move || runtime.block_on(source::client(&settings, timeouts)));
        let made = match timeout(within, making).await {
            Ok(Ok(made)) => made,
            Ok(Err(_)) => Err(NoClient::Unusable("making a client was cancelled".to_owned())),
            Err(_) => Err(NoClient::Unusable("reading its configuration takes too long".to_owned())),
        };
        let client = made.map_err(|none| match none {
            NoClient::NotConfigured(words) => Failure::refused(words),
            NoClient::Unusable(words) => unavailable(&words),
        })?;
        link.made += 1;
        link.client = Some(client.clone());
        Ok((client, link.made))
    }
}

/// The server's no.
struct Refusal {
    code: u16,
    status: Status,
    wait: Option<Duration>,
}

impl From<Answer> for Object {
    fn from(Answer { body, date }: Answer) -> Self {
        Self { json: body, date }
    }
}

fn seconds(headers: &HeaderMap, name: &header::HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    // An HTTP date is an RFC 2822 date whose zone is always called GMT.
    rfc2822::parse(text).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests;
