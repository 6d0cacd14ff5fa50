//! Probes: what an adapter can read. A probe has no way to change anything.

use async_trait::async_trait;
use selfheal_core::condition::Reading;
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::parameters::{ParameterSpec, Parameters, read};
use crate::right::Permission;

/// What a probe says of itself.
#[derive(Clone, Debug)]
pub struct AboutProbe {
    /// Its name in rules, after the adapter's: `connections`.
    pub name: &'static str,
    /// What it reads; for the reference documentation.
    pub doc: &'static str,
    /// The fields of its reading.
    pub fields: &'static [FieldSpec],
    /// The field that a condition means when it names none; one of `fields`.
    pub main_field: &'static str,
    /// The rights it needs at the target.
    pub permissions: Vec<Permission>,
}

/// One field of a reading.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec {
    /// Its name; dots lead into nested objects.
    pub name: &'static str,
    /// What it says, with its unit and range.
    pub doc: &'static str,
}

/// A probe, as its author writes it.
#[async_trait]
pub trait Probe: Send + Sync + 'static {
    /// Its parameters, declared with [`parameters!`](crate::parameters!).
    type Parameters: Parameters;

    /// What it says of itself.
    fn about(&self) -> AboutProbe;

    /// Checks the parameters. Pure: the target is not asked.
    ///
    /// # Errors
    /// `Refused`, naming the offending value.
    fn check(&self, params: &Self::Parameters) -> Result<(), Failure>;

    /// Reads. What is there but proves nothing (no data, not a number, too old) is an inconclusive reading, not a
    /// failure.
    ///
    /// # Errors
    /// `Refused` when the question cannot be answered, `Transient` when the target could not be asked.
    async fn read(&self, params: &Self::Parameters) -> Result<Reading, Failure>;
}

/// A probe with its types erased: parameters are JSON.
#[async_trait]
pub trait AnyProbe: Send + Sync {
    /// See [`Probe::about`].
    fn about(&self) -> AboutProbe;
    /// The parameters, in the order in which a rule passes them.
    fn parameters(&self) -> &'static [ParameterSpec];
    /// See [`Probe::check`].
    fn check(&self, params: &Map<String, Value>) -> Result<(), Failure>;
    /// See [`Probe::read`].
    async fn read(&self, params: &Map<String, Value>) -> Result<Reading, Failure>;
}

#[async_trait]
impl<P: Probe> AnyProbe for P {
    fn about(&self) -> AboutProbe {
        Probe::about(self)
    }

    fn parameters(&self) -> &'static [ParameterSpec] {
        P::Parameters::SPECS
    }

    fn check(&self, params: &Map<String, Value>) -> Result<(), Failure> {
        Probe::check(self, &read(Probe::about(self).name, params)?)
    }

    async fn read(&self, params: &Map<String, Value>) -> Result<Reading, Failure> {
        Probe::read(self, &read(Probe::about(self).name, params)?).await
    }
}
