//! selfheal-prometheus
