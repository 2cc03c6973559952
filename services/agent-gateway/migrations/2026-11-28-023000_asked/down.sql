alter table mailbox drop column asked;
