//! Tests of all services together, as processes of their own: see `tests/it`.
