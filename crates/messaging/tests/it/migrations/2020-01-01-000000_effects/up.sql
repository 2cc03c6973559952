create table effect (
    id bigint generated always as identity primary key,
    message_id uuid not null,
    n bigint not null
);
