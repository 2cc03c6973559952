alter table agent drop column conflict_since;
