//! What all real servers have in common: a directory, a recipe to start the process, a question that tells readiness.

use crate::{
    error::{Error, While},
    http,
    process::{Child, ChildOptions},
    program::User,
    wait::poll,
};
use rustix::process::Signal;
use std::{
    io,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tempfile::TempDir;

/// From start to the first answer; generous, because tests of a whole workspace share few cores.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a server that was killed may keep the next one from starting: PostgreSQL's own processes outlive it for a moment.
const REMAINS_LIMIT: Duration = Duration::from_secs(10);
/// From the request to end until it is enforced.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// How a server's process is started, again and again with the same result.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) run_as: Option<User>,
    pub(crate) stop_signal: Signal,
    pub(crate) drop_signal: Signal,
}

/// Whether a server answers already; if not, what was seen instead.
type Ready = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// A server's directory, and its process while it has one.
pub(crate) struct Server {
    recipe: Recipe,
    ready: Ready,
    log: PathBuf,
    /// Declared, and so dropped, before the directory in which it works.
    child: Mutex<Option<Child>>,
    directory: TempDir,
}

/// A directory for a server, owned by the user who will run it.
pub(crate) fn directory(name: &str, owner: Option<User>) -> Result<TempDir, Error> {
    let directory = tempfile::Builder::new()
        .prefix(&format!("selfheal-{name}-"))
        .tempdir()
        .doing(|| format!("make a directory for {name}"))?;
    if let Some(User { uid, gid }) = owner {
        chown(directory.path(), Some(uid), Some(gid))
            .doing(|| format!("give {} to {name}", directory.path().display()))?;
    }
    Ok(directory)
}

impl Server {
    /// Starts the process and waits until it is ready.
    pub(crate) fn start(
        recipe: Recipe,
        directory: TempDir,
        ready: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let log = directory.path().join("log");
        let server = Self { recipe, ready: Box::new(ready), log, child: Mutex::default(), directory };
        *server.child() = Some(server.launch()?);
        Ok(server)
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn child(&self) -> MutexGuard<'_, Option<Child>> {
        // A panic elsewhere does not invalidate the guard of a process.
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the process when there is one, and starts it anew with the same directory, port and arguments.
    pub(crate) fn restart(&self) -> Result<(), Error> {
        let mut slot = self.child();
        if let Some(mut running) = slot.take() {
            running.stop(STOP_LIMIT);
        }
        let mut failed = None;
        let launched = poll(REMAINS_LIMIT, || self.launch().map_err(|fault| failed = Some(fault)).ok());
        *slot = launched;
        failed.filter(|_| slot.is_none()).map_or(Ok(()), Err)
    }

    fn launch(&self) -> Result<Child, Error> {
        let mut command = Command::new(&self.recipe.program);
        command.args(&self.recipe.args).current_dir(self.path()).env("LC_ALL", "C");
        if let Some(User { uid, gid }) = self.recipe.run_as {
            command.uid(uid).gid(gid);
        }
        let options = ChildOptions {
            stop_signal: self.recipe.stop_signal,
            drop_signal: self.recipe.drop_signal,
            directory: Some(self.path().to_owned()),
        };
        let mut child = Child::spawn(self.recipe.name, command, &self.log, options)?;
        let mut seen = String::new();
        let outcome = poll(START_LIMIT, || {
            if let Some(status) = child.exit_status() {
                return Some(Err(format!("it ended with {status} instead of starting")));
            }
            (self.ready)().map_err(|reason| seen = reason).ok().map(Ok)
        });
        match outcome.unwrap_or_else(|| Err(format!("it was not ready within {START_LIMIT:?}: {seen}"))) {
            Ok(()) => Ok(child),
            Err(reason) => {
                let log = child.log_tail();
                Err(Error::Failed { server: self.recipe.name.to_owned(), reason, log })
            }
        }
    }

    /// Ends the process in order.
    pub(crate) fn stop(&self) {
        if let Some(mut child) = self.child().take() {
            child.stop(STOP_LIMIT);
        }
    }

    /// Ends the process as a crash would.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.child().take() {
            child.kill();
        }
    }

    pub(crate) fn with_child<T>(&self, act: impl FnOnce(&mut Child) -> T) -> Option<T> {
        self.child().as_mut().map(act)
    }

    /// All that the server has written, over all its restarts.
    pub(crate) fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

/// Gives a type with a field `server: Server` the methods that all servers have.
macro_rules! server_methods {
    ($type:ident) => {
        impl $type {
            /// The main process's number, or `None` while the server is stopped.
            #[must_use]
            pub fn pid(&self) -> Option<u32> {
                self.server.with_child(|child| child.pid())
            }

            /// Whether the process is there, paused or not.
            #[must_use]
            pub fn is_running(&self) -> bool {
                self.server.with_child(|child| child.exit_status().is_none()).unwrap_or(false)
            }

            /// Ends the server in order and returns when it is gone; its data and its port stay reserved for
            /// [`restart`](Self::restart). Nothing happens when it is stopped.
            pub fn stop(&self) {
                self.server.stop();
            }

            /// Ends the server as a crash would (SIGKILL), with all its processes.
            pub fn kill(&self) {
                self.server.kill();
            }

            /// Starts the server again, on the same port with the same data and options, and waits until it answers. One
            /// that runs is stopped in order first.
            ///
            /// # Errors
            ///
            /// When it does not start or does not answer in time.
            pub fn restart(&self) -> Result<(), $crate::Error> {
                self.server.restart()
            }

            /// Makes the server hang (SIGSTOP) with all its processes, and returns when it does: connections stay open
            /// and new ones are still accepted by the kernel, but nothing answers.
            pub fn pause(&self) {
                self.server.with_child(|child| child.pause());
            }

            /// Lets a paused server go on (SIGCONT).
            pub fn resume(&self) {
                self.server.with_child(|child| child.resume());
            }

            /// The directory in which the server works; removed with it.
            #[must_use]
            pub fn path(&self) -> &std::path::Path {
                self.server.path()
            }

            /// All that the server has written, over all its restarts.
            #[must_use]
            pub fn log(&self) -> String {
                self.server.log()
            }
        }
    };
}
pub(crate) use server_methods;

/// Readiness of a server with an HTTP endpoint that answers 2xx when it is.
pub(crate) fn answers(url: &str) -> Result<(), String> {
    match http::get(url) {
        Ok(response) if response.is_success() => Ok(()),
        Ok(response) => Err(format!("{url} answered {}", response.status)),
        Err(error) => Err(format!("{url}: {error}")),
    }
}

/// The body of a 2xx answer; otherwise the server's own words.
pub(crate) fn expect_success(
    server: &str,
    request: &str,
    answer: io::Result<http::Response>,
) -> Result<String, Error> {
    let response = answer.doing(|| format!("ask {server} for {request}"))?;
    if response.is_success() {
        return Ok(response.body);
    }
    Err(Error::Refused {
        server: server.to_owned(),
        request: request.to_owned(),
        reason: format!("{} {}", response.status, response.body.trim()),
    })
}
