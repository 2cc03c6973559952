drop table execution_step;
drop table execution;
drop table playbook;
drop table playbook_document;
