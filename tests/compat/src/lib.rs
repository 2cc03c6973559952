//! The original clients and their recorded requests against the services; everything is in `tests/it`.
