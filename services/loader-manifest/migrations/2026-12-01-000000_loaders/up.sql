-- What may install agents: each loader proves itself by a key, and says where it runs.
create sequence loader_id_seq maxvalue 9007199254740991;
create table loader (
    id bigint primary key default nextval('loader_id_seq'),
    loader_name text not null unique check (length(loader_name) between 1 and 256),
    key_prefix text not null unique check (key_prefix ~ '^[A-Za-z0-9]{8}$'),
    -- PBKDF2-HMAC-SHA256 of the key without its prefix, 4096 rounds, 32 bytes
    key_hash bytea not null check (octet_length(key_hash) = 32),
    key_salt bytea not null check (octet_length(key_salt) between 16 and 64),
    enabled boolean not null default false,
    expect_env text,
    -- what the loader said of its host when it was last let in
    name text,
    environment jsonb,
    tags jsonb,
    queueloc text unique,
    last_seen timestamptz not null,
    -- the manifest it was last given, and by manifest name the newest it ever took: it is given no older one
    manifest_id bigint,
    floors jsonb not null default '{}',
    created timestamptz not null,
    version bigint not null default 1
);
alter sequence loader_id_seq owned by loader.id;
