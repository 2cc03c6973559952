-- Commands may be held back: given out at a rate, in waves, or not at all while a run is paused.
alter table run drop constraint run_status_check;
alter table run add constraint run_status_check
    check (status in ('pending', 'inflight', 'paused', 'completed', 'invalid', 'cancelled', 'expired'));
alter table run
    add column dispatch jsonb,
    add column held bigint not null default 0,
    add column wave bigint not null default 0,
    add column wave_left bigint not null default 0,
    add column paced timestamptz,
    -- when to look at it again; null while nothing is held back, or while it is paused
    add column look timestamptz,
    add column steered timestamptz,
    add column forgiven_done bigint not null default 0,
    add column forgiven_failed bigint not null default 0,
    add column forgiven_timeout bigint not null default 0;
create index run_look_idx on run (look) where look is not null;
drop index run_open_idx;
create index run_open_idx on run (expire_after) where status in ('pending', 'inflight', 'paused');

alter table command drop constraint command_status_check;
alter table command add constraint command_status_check
    check (status in ('held', 'sent', 'success', 'failed', 'timeout', 'expired', 'cancelled'));
drop index command_open_idx;
create index command_open_idx on command (action_id, id) where status in ('held', 'sent');
create index command_held_idx on command (action_id, id) where status = 'held';
