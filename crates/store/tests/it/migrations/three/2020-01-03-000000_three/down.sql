alter table item drop column later;
