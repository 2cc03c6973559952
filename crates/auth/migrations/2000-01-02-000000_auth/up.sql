create schema auth;

-- a copy of investigation-api's investigators; in that service's own database it is written with the original
create table auth.investigator (
    id bigint primary key,
    name text not null,
    fingerprint text,
    public_key text,
    status text not null check (status in ('active', 'disabled')),
    permissions bigint not null,
    api_key_sha256 text,
    created timestamptz not null,
    modified timestamptz not null,
    version bigint not null
);

-- when the copy was last known to equal the original; one row
create table auth.digest (
    one boolean primary key default true check (one),
    confirmed timestamptz not null
);
