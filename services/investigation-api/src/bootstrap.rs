//! `investigation-api bootstrap`: the first administrator, made where the database is.
