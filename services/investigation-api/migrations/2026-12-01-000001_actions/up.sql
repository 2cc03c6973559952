-- Accepted actions: the document for ever as it was posted, and how its run stands (told by the scheduler).
create sequence action_id_seq maxvalue 9007199254740991;
create table action (
    id bigint primary key default nextval('action_id_seq'),
    document text not null,
    digest bytea not null unique,
    name text not null,
    target text not null,
    valid_from timestamptz not null,
    expire_after timestamptz not null,
    posted_by bigint not null references investigator (id),
    created timestamptz not null,
    status text not null,
    reason text,
    started timestamptz,
    finished timestamptz,
    updated timestamptz not null,
    targeted bigint not null default 0,
    run_version bigint not null default 0
);
alter sequence action_id_seq owned by action.id;
create index action_valid_from_idx on action (valid_from desc, id desc);

create table signature (
    action_id bigint not null references action (id),
    investigator_id bigint not null references investigator (id),
    signature text not null,
    position smallint not null,
    primary key (action_id, investigator_id)
);
create index signature_investigator_idx on signature (investigator_id, action_id);

-- Commands with their results, as the scheduler and agent-gateway tell them.
create table command (
    id bigint primary key,
    action_id bigint not null references action (id),
    agent_id bigint not null,
    status text not null
        check (status in ('waiting', 'delivered', 'success', 'failed', 'timeout', 'expired', 'cancelled')),
    found boolean[] not null default '{}',
    results json,
    started timestamptz not null,
    finished timestamptz
);
create index command_action_idx on command (action_id, id);
create index command_action_status_idx on command (action_id, status, id);
create index command_agent_idx on command (agent_id, id);

-- How many commands of an action are in each state; kept in step with `command` in the same transaction.
create table command_count (
    action_id bigint not null references action (id),
    status text not null,
    count bigint not null,
    primary key (action_id, status)
);
