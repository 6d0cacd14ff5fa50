//! The rooms that an alert goes through, and the ports through which they reach the outside.

pub mod ports;
