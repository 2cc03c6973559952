-- How many of the commands that still are open belonged to agents that had gone away, when an investigator let the run
-- go on: each is marked as forgiven, and counts no more against the run.
alter table run add column forgiven_lost bigint not null default 0;

-- What an investigator wants of a run that is held by a longer work, such as its own launch; done when that has ended.
-- No reference to the run: to check one is to wait for it.
create table run_word (
    number bigint generated always as identity primary key,
    action_id bigint not null,
    given_by bigint not null,
    -- null: it is withdrawn
    paused boolean,
    given timestamptz not null
);
