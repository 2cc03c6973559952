-- The executions that waited for these steps have ended (see scheduler.sql).
do $$
begin
    if to_regclass('step') is not null then
        update step set state = 'cancelled', ended = now(), due = null where state = 'pending';
        -- they may have gone out since then
        update notification set state = 'dead', error = 'the house was restored from a backup' where state = 'waiting';
    end if;
end
$$;
delete from auth.digest;
