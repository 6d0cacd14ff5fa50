//! The handle that a test holds.

use crate::{
    access::{Access, Right},
    changes::{Changes, Origin},
    cluster::Cluster,
    controllers,
    exec::{Exec, ExecAnswer, ExecRun},
    faults::Faults,
    pods::{self, PodTrouble},
    refusal::Refusal,
    resource::{self, Resource},
    server,
    store::{Key, Store},
    watch::Order,
    write::{self, Part, Writer},
};
use serde_json::{Value, json};
use std::{
    fmt, fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
};
use tokio::sync::oneshot;

/// A server that behaves like the Kubernetes API, on 127.0.0.1, in a thread of its own; it ends on Drop.
///
/// The methods that change objects are what another program or a person would do at the same time: they pass the same checks as
/// requests, except that a created object may carry a status and the namespace is created when it is missing.
pub struct ApiDouble {
    cluster: Arc<Cluster>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for ApiDouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ApiDouble").field("address", &self.address).finish_non_exhaustive()
    }
}

impl ApiDouble {
    /// Starts on a free port, with the namespace `default` and nothing else.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub async fn start() -> Self {
        Self::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("127.0.0.1 has a free port")
    }

    /// Starts on this address; port 0 for any.
    ///
    /// # Errors
    ///
    /// When the address is taken, or there is no thread to be had.
    pub fn start_on(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let cluster = Arc::new(Cluster::new(Store::new(resource::table(), address.port())));
        let (stop, stopped) = oneshot::channel();
        // A runtime of its own: a test may block its thread, or end its runtime, without the server noticing.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::clone(&cluster);
        let thread = std::thread::Builder::new().name("kubernetes-double".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = server::serve(listener, shared) => {}
                    // An error means that the handle is gone without a word; that is the end as well.
                    _ = stopped => {}
                }
            });
        })?;
        let double = Self { cluster, address, stop: Some(stop), thread: Some(thread) };
        double.create(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "default" } }));
        Ok(double)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:<port>`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig for this server, with the present token if there is one.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        let user = match &self.cluster.access().token {
            Some(token) => json!({ "token": token }),
            None => json!({}),
        };
        self.kubeconfig_with(&user)
    }

    /// Writes a kubeconfig to a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write_kubeconfig(&self, path: &Path) -> io::Result<()> {
        fs::write(path, self.kubeconfig())
    }

    /// Writes a kubeconfig that names a file with the token, which clients read again when it changes, and that file beside it
    /// (`<path>.token`); call it again after [`set_token`](Self::set_token).
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn write_kubeconfig_with_token_file(&self, path: &Path) -> io::Result<()> {
        let token_file = path.with_added_extension("token");
        fs::write(&token_file, self.cluster.access().token.as_deref().unwrap_or_default())?;
        fs::write(path, self.kubeconfig_with(&json!({ "tokenFile": token_file })))
    }

    // JSON is YAML, and needs no second way of quoting.
    fn kubeconfig_with(&self, user: &Value) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "double",
            "clusters": [{ "name": "double", "cluster": { "server": self.url() } }],
            "users": [{ "name": "selfheal", "user": user }],
            "contexts": [{ "name": "double", "context": { "cluster": "double", "user": "selfheal", "namespace": "default" } }],
        })
        .to_string()
    }

    /// Serves one resource more, or this one otherwise than before.
    pub fn add_resource(&self, resource: Resource) {
        let mut store = self.cluster.store();
        store.resources.retain(|known| !known.is(&resource.group, &resource.plural));
        store.resources.push(resource);
    }

    /// Creates an object, with its status and, when it is missing, its namespace; answers what was stored.
    ///
    /// # Panics
    ///
    /// When it is refused; [`try_create`](Self::try_create) is for that.
    #[track_caller]
    pub fn create(&self, object: Value) -> Value {
        self.try_create(object).unwrap_or_else(|refusal| panic!("the double refuses to create: {refusal}"))
    }

    /// As [`create`](Self::create).
    ///
    /// # Errors
    ///
    /// As the API refuses.
    pub fn try_create(&self, object: Value) -> Result<Value, Refusal> {
        self.cluster.write(|store| {
            let resource = store.resource_of(&object).cloned().ok_or_else(|| {
                let message = format!(
                    "no resource has apiVersion {} and kind {}",
                    object["apiVersion"], object["kind"]
                );
                Refusal::bad_request(message)
            })?;
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
            let writer = Writer::inside(Origin::Test, "create");
            let namespaces = store.resource("", "namespaces").cloned();
            if let Some(namespaces) = namespaces.filter(|_| resource.namespaced)
                && store.get(&Key::new(&namespaces, "", &namespace)).is_none()
            {
                write::create(store, &namespaces, "", json!({ "metadata": { "name": namespace } }), &writer)?;
            }
            write::create(store, &resource, &namespace, object, &writer).map(|object| Value::clone(&object))
        })
    }

    /// An object, by plural (`deployments`, or `deployments.apps` where that is not clear), namespace (empty for none) and name.
    ///
    /// # Panics
    ///
    /// When the resource is not served.
    #[must_use]
    #[track_caller]
    pub fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let resource = self.resource(plural);
        self.cluster.store().get(&Key::new(&resource, namespace, name)).map(|object| Value::clone(object))
    }

    /// The objects of a resource in a namespace; an empty one means all.
    ///
    /// # Panics
    ///
    /// When the resource is not served.
    #[must_use]
    #[track_caller]
    pub fn list(&self, plural: &str, namespace: &str) -> Vec<Value> {
        let resource = self.resource(plural);
        let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
        self.cluster.store().all(&resource, namespace).map(|(_, object)| Value::clone(object)).collect()
    }

    /// Changes an object, its status included, and answers what was stored.
    ///
    /// # Panics
    ///
    /// When it is not there or the change is refused.
    #[track_caller]
    pub fn update(&self, plural: &str, namespace: &str, name: &str, edit: impl FnOnce(&mut Value)) -> Value {
        let resource = self.resource(plural);
        let writer = Writer::inside(Origin::Test, "update");
        let changed = self.cluster.write(|store| {
            write::change(store, &resource, namespace, name, Part::Whole, &writer, |before| {
                let mut after = before.clone();
                edit(&mut after);
                Ok(after)
            })
        });
        let changed = changed.unwrap_or_else(|refusal| panic!("the double refuses to update: {refusal}"));
        Value::clone(&changed)
    }

    /// Deletes an object; `true` when it is gone, `false` when finalizers hold it.
    ///
    /// # Panics
    ///
    /// When it is not there.
    #[track_caller]
    pub fn delete(&self, plural: &str, namespace: &str, name: &str) -> bool {
        let resource = self.resource(plural);
        let writer = Writer::inside(Origin::Test, "delete");
        let deleted = self
            .cluster
            .write(|store| write::delete(store, &resource, namespace, name, &Value::Null, &writer));
        deleted.unwrap_or_else(|refusal| panic!("the double refuses to delete: {refusal}")).1
    }

    /// Replaces an object by another of the same name, with another UID.
    ///
    /// # Panics
    ///
    /// When it is not there, or finalizers hold it.
    #[track_caller]
    pub fn replace_by_another(&self, plural: &str, namespace: &str, name: &str) -> Value {
        let object =
            self.get(plural, namespace, name).unwrap_or_else(|| panic!("no {plural} {namespace}/{name}"));
        assert!(self.delete(plural, namespace, name), "finalizers hold {plural} {namespace}/{name}");
        let mut another = object;
        another["metadata"]["resourceVersion"] = Value::Null;
        self.create(another)
    }

    /// Lets a pod go wrong.
    ///
    /// # Panics
    ///
    /// When there is no such pod.
    #[track_caller]
    pub fn trouble(&self, namespace: &str, pod: &str, container: &str, trouble: PodTrouble) -> Value {
        self.update("pods", namespace, pod, |pod| pod["status"] = pods::status(pod, container, trouble))
    }

    /// Brings one object once to where its controller would bring it: a rollout that goes well, a volume that has grown.
    ///
    /// # Panics
    ///
    /// When it is not there.
    #[track_caller]
    pub fn settle(&self, plural: &str, namespace: &str, name: &str) {
        let resource = self.resource(plural);
        let settled = self.cluster.write(|store| controllers::settle(store, &resource, namespace, name));
        settled.unwrap_or_else(|refusal| {
            panic!("the double cannot settle {plural} {namespace}/{name}: {refusal}")
        });
    }

    /// Switches on (or off) that every change is settled at once. The answer to the request still shows the object before.
    pub fn settle_always(&self, on: bool) {
        self.cluster.controllers.store(on, Ordering::Relaxed);
    }

    /// Every change that was stored, oldest first.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes(self.cluster.store().changes.clone())
    }

    /// The faults to order.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.cluster.faults
    }

    /// The version of the last change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.cluster.store().revision()
    }

    /// How many watches run.
    #[must_use]
    pub fn watches(&self) -> usize {
        self.cluster.watch_orders.receiver_count()
    }

    /// Ends the connections of all watches in the middle; answers how many there were.
    pub fn cut_watches(&self) -> usize {
        self.order(Order::Cut)
    }

    /// Ends all watches with 410, as after a compaction; answers how many there were.
    pub fn expire_watches(&self) -> usize {
        self.order(Order::Gone)
    }

    /// Sends a bookmark to all watches that allow it; answers how many watches there are.
    pub fn bookmark(&self) -> usize {
        self.order(Order::Bookmark)
    }

    /// Forgets the events so far: a watch or a list's next page from an older version gets 410.
    pub fn compact(&self) {
        self.cluster.store().compact();
    }

    /// From now on only this bearer token is good; `None` asks for none, as at the start.
    pub fn set_token(&self, token: Option<&str>) {
        self.access().token = token.map(str::to_owned);
    }

    /// What access reviews answer by; `None` for everything, as at the start. With `enforced`, a request without the right
    /// gets 403.
    pub fn set_rights(&self, rights: Option<Vec<Right>>, enforced: bool) {
        let mut access = self.access();
        access.rights = rights;
        access.enforced = enforced;
    }

    /// What a command does in any pod that begins like this, its words joined by spaces; the last given answer that fits wins.
    /// A command without an answer is not found in the container.
    pub fn answer_exec(&self, command_start: &str, answer: ExecAnswer) {
        self.exec().answers.push((command_start.to_owned(), answer));
    }

    /// The commands that were run, oldest first.
    #[must_use]
    pub fn exec_runs(&self) -> Vec<ExecRun> {
        self.exec().runs.clone()
    }

    fn order(&self, order: Order) -> usize {
        // Without a watch there is nobody to tell.
        self.cluster.watch_orders.send(order).unwrap_or(0)
    }

    fn access(&self) -> std::sync::MutexGuard<'_, Access> {
        self.cluster.access()
    }

    fn exec(&self) -> std::sync::MutexGuard<'_, Exec> {
        self.cluster.exec()
    }

    #[track_caller]
    fn resource(&self, plural: &str) -> Resource {
        let store = self.cluster.store();
        let fits = |resource: &&Resource| resource.plural == plural || resource.qualified() == plural;
        let found = store.resources.iter().find(fits).cloned();
        drop(store);
        found.unwrap_or_else(|| panic!("the double serves no {plural}; add it with add_resource"))
    }
}

impl Drop for ApiDouble {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The server may have ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the double's server has panicked; its message is above");
        }
    }
}
