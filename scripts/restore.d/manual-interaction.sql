-- The executions that waited for these steps have ended (see scheduler.sql).
do $$
begin
    if to_regclass('step') is not null then
        update step set state = 'cancelled', ended = now(), due = null where state = 'pending';
    end if;
end
$$;
delete from auth.digest;
