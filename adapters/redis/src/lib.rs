//! selfheal-redis
