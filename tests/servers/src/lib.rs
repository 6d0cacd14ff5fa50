//! selfheal-test-servers
