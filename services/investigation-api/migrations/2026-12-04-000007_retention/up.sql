create index action_expire_after_idx on action (expire_after);
-- rows leave the audit only at its beginning, and only when the chain itself tells so (see the job retain)
create or replace function audit_only_grows() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('writ.audit_cut', true) = 'on' then
        return null;
    end if;
    raise exception 'the audit only grows';
end
$$;
