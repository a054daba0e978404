//! Run directories written by earlier versions, kept for ever: what they say must never change.
