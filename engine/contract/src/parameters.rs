//! Parameters of actions and probes: one declaration gives the struct, its documentation and its checks.
//!
//! ```
//! selfheal_contract::parameters! {
//!     /// Ends connections that have been idle too long.
//!     pub struct TerminateIdle {
//!         /// Name of the configured database.
//!         pub database: String,
//!         /// How long a connection must have been idle.
//!         pub idle_for: selfheal_core::span::Span,
//!     }
//! }
//! ```
//!
//! A rule passes parameters by position, in the order of the fields; optional ones come last and may be left out.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// The type of a parameter, as a rule's author sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A whole number from 1.
    Positive,
    /// Any number.
    Number,
    /// A duration as text: `5m`, `1h30m`.
    Duration,
    /// An array of texts.
    Texts,
    /// One of these texts.
    Choice(&'static [&'static str]),
}

impl Kind {
    /// The name in documentation and error texts.
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Integer => "whole number",
            Self::Positive => "whole number from 1",
            Self::Number => "number",
            Self::Duration => "duration such as \"5m\"",
            Self::Texts => "array of texts",
            Self::Choice(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
                return Cow::Owned(texts.join(" or "));
            }
        })
    }
}

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub struct ParameterSpec {
    /// The field's name.
    pub name: &'static str,
    /// The field's documentation.
    pub doc: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether it may be left out.
    pub optional: bool,
}

/// A type that a parameter may have.
pub trait ParameterType {
    /// What a rule's author sees.
    const KIND: Kind;
    /// Whether it may be left out.
    const OPTIONAL: bool = false;
}

macro_rules! kinds {
    ($($type:ty => $kind:ident),+) => {
        $(impl ParameterType for $type { const KIND: Kind = Kind::$kind; })+
    };
}
kinds! {
    String => Text, bool => Boolean, i64 => Integer, u64 => Integer, u32 => Integer, u16 => Integer, f64 => Number,
    std::num::NonZeroU64 => Positive, selfheal_core::span::Span => Duration, Vec<String> => Texts
}

impl<T: ParameterType> ParameterType for Option<T> {
    const KIND: Kind = T::KIND;
    const OPTIONAL: bool = true;
}

/// A struct declared with [`parameters!`](crate::parameters!).
pub trait Parameters: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The fields, in the order in which a rule passes them.
    const SPECS: &'static [ParameterSpec];
}

/// Reads typed parameters; the failure names the action and what was wrong.
pub fn read<P: Parameters>(of: &str, params: &Map<String, Value>) -> Result<P, Failure> {
    serde_json::from_value(Value::Object(params.clone())).map_err(|fault| {
        let fault = on_one_line(&fault.to_string());
        Failure::refused(format!("{of}: {fault}; parameters are {}", signature(P::SPECS)))
    })
}

/// A text without control characters: what is wrong may be quoted in it as it came.
fn on_one_line(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}

/// Prints parameters as a signature: `(database: text, idle_for: duration such as "5m")`.
pub fn signature(specs: &[ParameterSpec]) -> String {
    let parts: Vec<String> = specs
        .iter()
        .map(|spec| format!("{}{}: {}", spec.name, if spec.optional { "?" } else { "" }, spec.kind.name()))
        .collect();
    format!("({})", parts.join(", "))
}

/// Declares a parameter struct; see the module's documentation.
#[macro_export]
macro_rules! parameters {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[doc = $doc:literal])+ pub $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)*
        }

        impl $crate::Parameters for $name {
            const SPECS: &'static [$crate::ParameterSpec] = &[$($crate::ParameterSpec {
                name: stringify!($field),
                doc: concat!($($doc),+),
                kind: <$type as $crate::ParameterType>::KIND,
                optional: <$type as $crate::ParameterType>::OPTIONAL,
            }),*];
        }
    };
}
