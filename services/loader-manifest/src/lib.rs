//! loader-manifest
