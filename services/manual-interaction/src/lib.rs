//! manual-interaction
