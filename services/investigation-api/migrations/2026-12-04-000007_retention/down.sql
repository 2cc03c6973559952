create or replace function audit_only_grows() returns trigger language plpgsql as $$
begin
    raise exception 'the audit only grows';
end
$$;
drop index action_expire_after_idx;
