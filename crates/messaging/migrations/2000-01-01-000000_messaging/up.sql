create schema messaging;

-- Written in the same transaction as the effect that a message tells of; the relay deletes what the broker confirmed.
create table messaging.outbox (
    id bigint generated always as identity primary key,
    message_id uuid not null,
    kind text not null,
    body bytea not null,
    gzip boolean not null,
    traceparent text,
    tracestate text,
    created timestamptz not null,
    attempts integer not null default 0,
    due timestamptz not null default now()
)
-- every row is deleted soon: dead rows must go at once, not at a fifth of a table that is mostly empty
with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- What a consumer has taken: a message that comes twice has an effect once.
create table messaging.inbox (
    consumer text not null,
    message_id uuid not null,
    received timestamptz not null,
    primary key (consumer, message_id)
);
create index inbox_received_idx on messaging.inbox (received);
