drop table audit;
drop function audit_only_grows;
