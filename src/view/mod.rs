//! What people and scripts see: diagnostics, previews, progress, status, reports. Takes values, returns text or draws; decides
//! nothing, and knows neither the engine nor the wire.

pub mod report;
