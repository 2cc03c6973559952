-- Since when another process of the same queue location is heard beside this one.
alter table agent add column conflict_since timestamptz;
