alter table item add column later text;
