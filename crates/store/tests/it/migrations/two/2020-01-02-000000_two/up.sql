create table part (id bigint primary key, item_id bigint not null references item (id));
