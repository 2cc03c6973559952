create table item (id bigint primary key, name text not null unique, at timestamptz not null default now());
