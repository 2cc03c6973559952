alter table execution_step drop column missed;
drop index execution_root_idx;
alter table execution drop column root;
