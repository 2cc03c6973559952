-- Ends what had not ended when it was saved: it may have gone on since then, and nobody knows how far. Versions jump, so that
-- copies which are ahead of this backup take what is told from now on.
with ended as (
    update command set status = 'expired', finished = now() where status in ('held', 'sent') returning action_id
), counted as (
    select action_id, count(*) as count from ended group by action_id
)
update run set
    status = case when started is null then 'expired' else 'completed' end,
    reason = 'it had not ended when the house was saved, and the house was restored since then',
    expired = expired + coalesce((select count from counted where counted.action_id = run.action_id), 0),
    finished = now(), held = 0, wave_left = 0, look = null, version = version + 1000000, unpublished = true
where status in ('pending', 'inflight', 'paused');

-- Playbooks that were running stop; what a step had done is not done again.
do $$
begin
    if to_regclass('execution') is not null then
        update execution_step set state = 'cancelled', ended = now(), due = null, lease = null,
            detail = 'the house was restored from a backup'
        where state in ('delayed', 'ready', 'calling', 'waiting', 'branching');
        update execution set state = 'cancelled', ended = now(), look = null,
            reason = 'it had not ended when the house was saved, and the house was restored since then'
        where state in ('running', 'waiting');
    end if;
end
$$;

-- Orders among them may have arrived since then.
delete from messaging.outbox where kind in ('command.issued.v1', 'command.planned.v1', 'manual.requested.v1', 'action.proposed.v1');
-- Numbers that were given out after this backup are known elsewhere already.
select setval('command_id_seq', nextval('command_id_seq') + 1000000);
delete from auth.digest;
