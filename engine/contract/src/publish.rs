//! Publishing: an outside system that is a stream takes events for others to read. What they say is the caller's affair;
//! the client library stays within the adapter.

use async_trait::async_trait;

use crate::failure::Failure;

/// One event for a stream.
#[derive(Clone, Copy, Debug)]
pub struct Message<'m> {
    /// Events of one key keep their order; without one they are spread.
    pub key: Option<&'m str>,
    /// The media type of the body.
    pub content_type: &'m str,
    /// The event.
    pub body: &'m [u8],
}

/// Where events can be published.
#[async_trait]
pub trait Publish: Send + Sync {
    /// Checks a destination against the adapter's settings. Pure: the target is not asked.
    ///
    /// # Errors
    /// `Refused`, naming the offending value: there is no such cluster, or no topic can have this name.
    fn check(&self, cluster: Option<&str>, topic: &str) -> Result<(), Failure>;

    /// Publishes one event; it is at the target, as durable as the target makes it, when this returns.
    ///
    /// # Errors
    /// `Refused` when the target says no, `Transient` when it was not sent, `Indeterminate` when it may be there.
    async fn publish(&self, cluster: Option<&str>, topic: &str, message: Message<'_>) -> Result<(), Failure>;
}
