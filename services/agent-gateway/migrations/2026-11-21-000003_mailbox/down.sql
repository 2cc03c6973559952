drop table withdrawal;
drop table mailbox;
drop table action_document;
