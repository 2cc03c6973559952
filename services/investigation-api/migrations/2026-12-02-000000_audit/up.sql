-- Who did what, from where, and what came of it. Rows are only ever added; each carries the hash of the one before.
create table audit (
    id bigint primary key,
    at timestamptz not null,
    investigator_id bigint,
    who text not null,
    what text not null,
    subject text not null,
    address text not null,
    outcome text not null check (outcome in ('done', 'refused')),
    detail text not null,
    count bigint not null check (count > 0),
    previous bytea not null check (octet_length(previous) = 32),
    hash bytea not null check (octet_length(hash) = 32)
);

create function audit_only_grows() returns trigger language plpgsql as $$
begin
    raise exception 'the audit only grows';
end
$$;
create trigger audit_only_grows before update or delete on audit
    for each statement execute function audit_only_grows();
create trigger audit_is_not_emptied before truncate on audit
    for each statement execute function audit_only_grows();
revoke all on audit from public;
revoke update, delete, truncate on audit from current_user;
