-- Playbooks byte for byte as they came, each once; executions hold on to theirs.
create table playbook_document (
    digest bytea primary key,
    document text not null
);

-- The versions of stored playbooks. One that was replaced or deleted is kept for its executions.
create table playbook (
    number bigint generated always as identity primary key,
    playbook_id text not null,
    modified timestamptz not null,
    digest bytea not null references playbook_document (digest),
    name text not null,
    description text not null,
    labels text[] not null,
    valid_from timestamptz,
    valid_until timestamptz,
    revoked boolean not null,
    created timestamptz not null,
    created_by bigint,
    deleted timestamptz
);
create unique index playbook_version_idx on playbook (playbook_id, modified) where deleted is null;
create index playbook_live_idx on playbook (number) where deleted is null;

-- One run of a playbook. `look`: when something is to be done without a word from outside.
create table execution (
    id uuid primary key,
    playbook_id text not null,
    name text not null,
    description text not null,
    digest bytea not null references playbook_document (digest),
    state text not null check (state in ('running', 'waiting', 'succeeded', 'failed', 'cancelled')),
    variables jsonb not null,
    runs jsonb not null,
    exception boolean not null default false,
    handled boolean not null default false,
    reason text,
    -- the run of a playbook-action that began it, and how many are around it
    parent_step uuid,
    depth integer not null default 0,
    told boolean not null default true,
    started timestamptz not null,
    ended timestamptz,
    started_by bigint,
    look timestamptz
);
create index execution_look_idx on execution (look) where look is not null;
create index execution_state_idx on execution (state, id);
create index execution_playbook_idx on execution (playbook_id, id);
create unique index execution_parent_step_idx on execution (parent_step) where parent_step is not null;
create index execution_untold_idx on execution (ended) where not told and ended is not null;

-- One run of a step; the same step runs again in a loop.
create table execution_step (
    id uuid primary key,
    execution_id uuid not null references execution (id),
    step_id text not null,
    run integer not null,
    parent uuid,
    kind text not null,
    name text not null,
    state text not null check (state in ('delayed', 'ready', 'calling', 'waiting', 'branching',
        'succeeded', 'failed', 'timeout', 'cancelled')),
    due timestamptz,
    deadline timestamptz,
    lease timestamptz,
    position integer not null,
    variables jsonb not null,
    results jsonb not null,
    detail text,
    action_id bigint,
    document text,
    started timestamptz not null,
    ended timestamptz,
    unique (execution_id, step_id, run)
);
create index execution_step_open_idx on execution_step (execution_id)
    where state in ('delayed', 'ready', 'calling', 'waiting', 'branching');
create index execution_step_action_idx on execution_step (action_id) where state = 'waiting' and action_id is not null;
create index execution_step_waiting_idx on execution_step (kind) where state = 'waiting';
