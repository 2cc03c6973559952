-- stored once per action, however many agents it is for
create table action_document (
    action bigint primary key,
    document text not null,
    operations integer not null check (operations >= 0),
    expire_after timestamptz not null
);

create index action_document_expire_after_idx on action_document (expire_after);

create table mailbox (
    command bigint primary key,
    action bigint not null references action_document,
    agent bigint not null references agent,
    run uuid not null unique,
    state text not null check (state in ('waiting', 'leased', 'returned', 'withdrawn')),
    leased_until timestamptz,
    attempts integer not null default 0,
    delivered_at timestamptz,
    returned_at timestamptz,
    check (state <> 'leased' or leased_until is not null)
);

create index mailbox_open_idx on mailbox (agent, command) where state in ('waiting', 'leased');
create index mailbox_lease_idx on mailbox (leased_until) where state = 'leased';
create index mailbox_action_idx on mailbox (action);

-- commands that were withdrawn before they arrived: messages may overtake each other
create table withdrawal (
    command bigint primary key,
    at timestamptz not null
);

create index withdrawal_at_idx on withdrawal (at);
