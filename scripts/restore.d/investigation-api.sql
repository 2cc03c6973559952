-- An action that the scheduler has never spoken of may have reached it since then.
update action set status = 'expired', finished = now(), updated = now(),
    reason = 'it had not begun when the house was saved, and the house was restored since then'
where run_version = 0 and status = 'pending';
-- Commands that were open have ended as the scheduler's have (see scheduler.sql), whose word of it names no command.
with open as (
    select id, action_id, status from command where status in ('waiting', 'delivered')
), moved as (
    update command set status = 'expired', finished = now() from open where command.id = open.id
    returning command.action_id, open.status as before
), delta as (
    select action_id, before as status, -count(*) as change from moved group by action_id, before
    union all
    select action_id, 'expired', count(*) from moved group by action_id
)
insert into command_count as kept (action_id, status, count)
select action_id, status, change from delta
on conflict (action_id, status) do update set count = kept.count + excluded.count;
delete from messaging.outbox where kind in ('action.accepted.v1', 'action.steered.v1');
-- Copies that are ahead of this backup take the owner's word again.
update investigator set version = version + 1000000;
update auth.investigator set version = version + 1000000;
-- Numbers that were given out after this backup are known elsewhere already.
select setval('investigator_id_seq', nextval('investigator_id_seq') + 1000000), setval('action_id_seq', nextval('action_id_seq') + 1000000);
delete from auth.digest;
