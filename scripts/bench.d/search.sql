-- Fills the database of investigation-api for `scripts/bench search`: :agents agents, :commands commands.
-- Half of the commands belong to actions over the whole fleet, most of the rest to actions over two hundred agents.
\set ON_ERROR_STOP 1
set synchronous_commit = off;

insert into investigator (name, status, permissions, created, modified)
    select 'Investigator ' || n, 'active', 0, now() - interval '400 days', now() from generate_series(1, 20) n;

insert into agent (id, uid, name, queueloc, transport, mode, version, pid, status, environment, tags, loader_name,
        started, last_seen, refreshed, revision)
    select n, gen_random_uuid(), format('host-%s.dc%s.example.net', lpad(n::text, 6, '0'), n % 5),
        format('linux.%s', md5(n::text)), 'mig', 'daemon', format('2026%s-0.%s.prod', lpad((n % 9)::text, 4, '0'), n % 9),
        1000 + n % 30000, case when n % 100 < 80 then 'online' when n % 100 < 92 then 'idle' else 'offline' end,
        jsonb_build_object('init', 'systemd', 'ident', 'Debian GNU/Linux ' || 10 + n % 4, 'os',
            case when n % 20 = 0 then 'darwin' else 'linux' end, 'arch', 'amd64', 'isproxied', false,
            'addresses', jsonb_build_array(format('10.%s.%s.%s/16', n / 65536, n / 256 % 256, n % 256)),
            'publicip', '192.0.2.1', 'aws', '{}'::jsonb, 'modules',
            '["agentdestroy", "ping", "timedrift", "pkg", "scribe", "sshkey", "file", "fswatch", "netstat"]'::jsonb),
        jsonb_build_object('operator', 'team ' || n % 50), '', now() - n * interval '10 minutes',
        now() - case when n % 100 < 80 then n % 60 * interval '1 second' else n * interval '1 minute' end,
        now() - interval '1 day', 1
    from generate_series(1, :agents) n;

create temporary table plan as
    select n, case when n > 2 * k then :agents when n % 2 = 0 then 200 else 10 end as size
    from (select greatest(:commands / 420, 1) as k) k, generate_series(1, 2 * k + greatest(:commands / 2 / :agents, 1)) n;
-- the large ones lie between the others
update plan set n = n * 1000 % 7919;
create temporary table posted as
    select row_number() over (order by n) as n, size from plan;

insert into action (id, document, digest, name, target, valid_from, expire_after, posted_by, created, status, started,
        finished, updated, targeted, threat_family)
    select nextval('action_id_seq'), format('{"name":"%s","target":"status=''online''","description":{},"threat":{"family":"%s"},'
            '"validfrom":"2026-01-01T00:00:00Z","expireafter":"2026-01-01T01:00:00Z","operations":[{"module":"file",'
            '"parameters":{"searches":{"s1":{"names":["^passwd$"],"options":{"matchall":true,"maxdepth":1000},'
            '"paths":["/etc"]}}}}],"pgpsignatures":["%s"],"syntaxversion":2}', name, family, repeat('wsBcBAAB', 60)),
        sha256(name::bytea), name, 'status=''online''', at, at + interval '1 hour', 1, at, 'completed', at,
        at + interval '1 minute', at + interval '1 minute', size, family
    from (select n, size, format('investigation %s of %s', lpad(n::text, 5, '0'), case n % 7 when 0 then 'compliance' else 'malware' end) as name,
            case n % 7 when 0 then 'compliance' else 'malware' end as family,
            now() - ((select count(*) from posted) - n) * interval '1 hour' as at from posted) posted
    order by n;

insert into signature
    select id, (select min(id) from investigator) + id % 21, repeat('wsBcBAAB', 60), 0 from action;

insert into command (id, action_id, agent_id, status, found, results, started, finished)
    select n, id, agent, status, case when status = 'success' then array[found] else '{}' end,
        json_build_array(json_build_object('foundanything', found, 'success', status = 'success', 'elements',
            json_build_object('s1', case when found then json_build_array(json_build_object('file', '/etc/passwd', 'fileinfo',
            json_build_object('lastmodified', '2026-01-01 00:00:00 UTC', 'mode', '-rw-r--r--', 'size', n % 5000))) end),
            'statistics', json_build_object('exectime', '12.3ms', 'filescount', 1200, 'totalhits', found::int), 'errors', null)),
        started, started + n % 50 * interval '1 second'
    from (select row_number() over (order by action.id, member) as n, action.id, action.started,
            1 + (member - 1) * (:agents / targeted)
                + ('x' || left(md5(action.id || '.' || member), 6))::bit(24)::int % (:agents / targeted) as agent,
            md5(action.id || '.' || member) < '05' as found,
            case when action.id = (select max(id) from action) and member % 2 = 0 then 'delivered'
                else (array['success', 'success', 'success', 'success', 'success', 'success', 'success', 'success', 'success',
                    'failed'])[1 + (member * 7 + action.id) % 10] end as status
        from action, generate_series(1, targeted) as member) made;
update command set status = (array['timeout', 'expired', 'cancelled'])[1 + id % 3], found = '{}' where id % 100 = 7;

insert into command_count select action_id, status, count(*) from command group by action_id, status;
insert into loader select n, 'loader ' || n, 'host-' || lpad(n::text, 6, '0'), true, now(), 1 from generate_series(1, :agents) n;
insert into manifest select n, 'manifest ' || n, 'env->>''os''=''linux''', 'active', now() - n * interval '1 day', 1
    from generate_series(1, 100) n;
vacuum analyze;
