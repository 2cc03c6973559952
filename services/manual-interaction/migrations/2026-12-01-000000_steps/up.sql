create table step (
    id uuid primary key,
    seq bigint generated always as identity unique,
    execution_id uuid not null,
    playbook_id text not null default '',
    playbook_name text not null default '',
    -- empty while only its withdrawal has arrived
    step_id text not null default '',
    run integer not null default 0,
    name text not null default '',
    description text not null default '',
    commands jsonb not null default '[]',
    out_args jsonb not null default '[]',
    state text not null check (state in ('pending', 'answered', 'expired', 'cancelled')),
    created timestamptz not null,
    deadline timestamptz not null,
    -- when people are reminded; null once they were
    due timestamptz,
    assignee text,
    ended timestamptz,
    answered_by text,
    answered_from text,
    outcome text check (outcome in ('success', 'failure')),
    variables jsonb,
    check ((state = 'pending') = (ended is null)),
    check ((state = 'answered') = (outcome is not null)),
    check ((state = 'answered') = (variables is not null and answered_by is not null))
);

create index step_state_idx on step (state, seq) where step_id <> '';
create index step_execution_idx on step (execution_id, step_id, seq);
create index step_playbook_idx on step (playbook_id, seq);
create index step_assignee_idx on step (assignee, seq) where assignee is not null;
create index step_deadline_idx on step (deadline) where state = 'pending';
create index step_due_idx on step (due) where state = 'pending' and due is not null;
create index step_ended_idx on step (ended) where ended is not null;

create table step_event (
    id bigint generated always as identity primary key,
    step uuid not null references step on delete cascade,
    at timestamptz not null,
    what text not null,
    by text,
    investigator bigint,
    address text,
    channel text,
    text text not null
);

create index step_event_step_idx on step_event (step, id);

create table notification (
    id uuid primary key,
    seq bigint generated always as identity unique,
    step uuid not null references step on delete cascade,
    event text not null check (event in ('step.new', 'step.due', 'step.expired')),
    channel text not null check (channel in ('webhook', 'mail')),
    -- exactly what is sent, and signed
    body text not null,
    state text not null check (state in ('waiting', 'sent', 'dead')),
    attempts integer not null default 0,
    created timestamptz not null,
    -- when the 24 hours of trying began
    since timestamptz not null,
    due timestamptz not null,
    sent timestamptz,
    error text
);

create index notification_due_idx on notification (channel, due, seq) where state = 'waiting';
create index notification_state_idx on notification (state, seq);
create index notification_step_idx on notification (step);
create index notification_sent_idx on notification (channel, sent) where sent is not null;

create table page_session (
    sha256 bytea primary key check (octet_length(sha256) = 32),
    investigator bigint not null,
    api_key_sha256 text not null,
    expires timestamptz not null
);

create index page_session_expires_idx on page_session (expires);
