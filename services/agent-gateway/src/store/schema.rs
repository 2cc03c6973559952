// @generated automatically by Diesel CLI.

diesel::table! {
    agent (number) {
        number -> Int8,
        id -> Uuid,
        name -> Text,
        queueloc -> Text,
        transport -> Text,
        mode -> Text,
        version -> Text,
        pid -> Int8,
        status -> Text,
        environment -> Jsonb,
        tags -> Jsonb,
        loader_name -> Text,
        team_id -> Nullable<Uuid>,
        started -> Timestamptz,
        refreshed -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
        revision -> Int8,
        address -> Nullable<Text>,
        described -> Nullable<Bytea>,
        conflict_since -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    agent_plugin (agent, plugin) {
        agent -> Int8,
        plugin -> Uuid,
        told -> Bool,
    }
}

diesel::table! {
    agent_token (sha256) {
        sha256 -> Bytea,
        agent -> Int8,
        created -> Timestamptz,
        revoked -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    device_code (sha256) {
        sha256 -> Bytea,
        user_code -> Text,
        client_id -> Text,
        address -> Text,
        origin -> Text,
        user_agent -> Text,
        created -> Timestamptz,
        expires -> Timestamptz,
        state -> Text,
        agent -> Nullable<Int8>,
        decided_by -> Nullable<Int8>,
    }
}

diesel::table! {
    plugin (id) {
        id -> Uuid,
        name -> Text,
        version -> Text,
        description -> Text,
        script -> Text,
        hash -> Text,
        commands -> Jsonb,
        published -> Timestamptz,
        published_by -> Int8,
        version_is_number -> Bool,
        parameters -> Nullable<Jsonb>,
    }
}

diesel::table! {
    plugin_parting (agent, plugin) {
        agent -> Int8,
        plugin -> Uuid,
        until -> Timestamptz,
    }
}

diesel::table! {
    plugin_signature (plugin, fingerprint) {
        plugin -> Uuid,
        fingerprint -> Text,
        investigator -> Int8,
        signature -> Text,
        added -> Timestamptz,
    }
}

diesel::table! {
    presence (agent) {
        agent -> Int8,
        last_seen -> Timestamptz,
    }
}

diesel::table! {
    team (id) {
        id -> Uuid,
        name -> Text,
        created -> Timestamptz,
    }
}

diesel::joinable!(agent_plugin -> agent (agent));
diesel::joinable!(agent_plugin -> plugin (plugin));
diesel::joinable!(agent_token -> agent (agent));
diesel::allow_tables_to_appear_in_same_query!(
    agent,
    agent_plugin,
    agent_token,
    plugin,
    plugin_parting,
    presence
);
