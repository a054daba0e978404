//! Decides what is sent when, and what it meant.
