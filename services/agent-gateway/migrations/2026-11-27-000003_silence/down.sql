alter table agent drop column reported;
alter table task drop column offered;
