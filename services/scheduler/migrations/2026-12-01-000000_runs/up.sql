-- One row per accepted action: its document, when it is due, where it is.
create table run (
    action_id bigint primary key,
    document text not null,
    target text not null,
    modules text[] not null,
    valid_from timestamptz not null,
    expire_after timestamptz not null,
    status text not null
        check (status in ('pending', 'inflight', 'completed', 'invalid', 'cancelled', 'expired')),
    reason text,
    targeted bigint not null default 0,
    success bigint not null default 0,
    failed bigint not null default 0,
    timeout bigint not null default 0,
    expired bigint not null default 0,
    cancelled bigint not null default 0,
    created timestamptz not null,
    started timestamptz,
    finished timestamptz,
    version bigint not null default 1,
    published timestamptz not null,
    unpublished boolean not null default false
);
create index run_pending_idx on run (valid_from) where status = 'pending';
create index run_open_idx on run (expire_after) where status in ('pending', 'inflight');
create index run_unpublished_idx on run (published) where unpublished;

-- One action on one agent.
create sequence command_id_seq maxvalue 9007199254740991;
create table command (
    id bigint primary key default nextval('command_id_seq'),
    action_id bigint not null references run (action_id),
    agent_id bigint not null,
    status text not null
        check (status in ('sent', 'success', 'failed', 'timeout', 'expired', 'cancelled')),
    found boolean[] not null default '{}',
    started timestamptz not null,
    finished timestamptz,
    unique (action_id, agent_id)
);
create index command_open_idx on command (action_id, id) where status = 'sent';
alter sequence command_id_seq owned by command.id;
