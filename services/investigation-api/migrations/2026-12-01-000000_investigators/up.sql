-- People and tools that may sign and ask; the only place where they are written.
create sequence investigator_id_seq maxvalue 9007199254740991;
create table investigator (
    id bigint primary key default nextval('investigator_id_seq'),
    name text not null check (length(name) between 1 and 1024),
    fingerprint text unique check (fingerprint ~ '^[0-9A-F]{40,64}$'),
    public_key text,
    status text not null check (status in ('active', 'disabled')),
    permissions bigint not null,
    api_key_sha256 text unique check (api_key_sha256 ~ '^[0-9a-f]{64}$'),
    created timestamptz not null,
    modified timestamptz not null,
    version bigint not null default 1
);
alter sequence investigator_id_seq owned by investigator.id;
