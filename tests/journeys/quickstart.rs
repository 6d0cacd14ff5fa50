//! The quickstart, as a newcomer runs it, to its end.
