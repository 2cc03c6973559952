//! investigation-api
