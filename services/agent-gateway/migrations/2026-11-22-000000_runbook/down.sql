drop table page_session;
drop table task_run;
drop table task;
drop table plugin_parting;
drop table plugin_signature;
alter table plugin drop column version_is_number;
alter table agent drop column address;
