drop index command_held_idx;
drop index command_open_idx;
update command set status = 'sent' where status = 'held';
create index command_open_idx on command (action_id, id) where status = 'sent';
alter table command drop constraint command_status_check;
alter table command add constraint command_status_check
    check (status in ('sent', 'success', 'failed', 'timeout', 'expired', 'cancelled'));

drop index run_look_idx;
drop index run_open_idx;
update run set status = case when started is null then 'pending' else 'inflight' end where status = 'paused';
create index run_open_idx on run (expire_after) where status in ('pending', 'inflight');
alter table run
    drop column dispatch,
    drop column held,
    drop column wave,
    drop column wave_left,
    drop column paced,
    drop column look,
    drop column steered,
    drop column forgiven_done,
    drop column forgiven_failed,
    drop column forgiven_timeout;
alter table run drop constraint run_status_check;
alter table run add constraint run_status_check
    check (status in ('pending', 'inflight', 'completed', 'invalid', 'cancelled', 'expired'));
