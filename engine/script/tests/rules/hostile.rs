//! Scripts that want out, or want everything.
