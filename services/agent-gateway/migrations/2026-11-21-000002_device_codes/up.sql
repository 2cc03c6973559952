create table device_code (
    sha256 bytea primary key check (octet_length(sha256) = 32),
    user_code text not null check (user_code ~ '^[BCDFGHJKLMNPQRSTVWXZ]{8}$'),
    client_id text not null,
    address text not null,
    -- what counts as one asker: the IPv4 address, or the /64 of the IPv6 one
    origin text not null,
    user_agent text not null,
    created timestamptz not null,
    expires timestamptz not null,
    state text not null check (state in ('pending', 'approved', 'denied', 'redeemed')),
    agent bigint references agent on delete cascade,
    decided_by bigint,
    check ((agent is not null) = (state in ('approved', 'redeemed')))
);

create unique index device_code_user_code_idx on device_code (user_code) where state = 'pending';
create index device_code_origin_idx on device_code (origin) where state = 'pending';
create index device_code_expires_idx on device_code (expires);
create index device_code_agent_idx on device_code (agent) where agent is not null;
