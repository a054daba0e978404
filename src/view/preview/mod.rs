//! What a run would do, shown before anything is sent: plain data that the command fills in, its text and its JSON.

mod model;
mod text;

pub use model::{
    Count, DeadlineForecast, FirstRequest, Header, Help, Order, Ordered, Preview, ProviderForecast, Waited, WideEffect,
    WideEffects,
};
pub use text::render;
