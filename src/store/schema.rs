//! The tables as diesel sees them; `migrations/` is where they are made.

use diesel::allow_tables_to_appear_in_same_query;
use diesel::joinable;
use diesel::table;

table! {
    users (id) {
        id -> Text,
        username -> Text,
        claims -> Text,
        second_factor -> Text,
        created_at -> BigInt,
        disabled_at -> Nullable<BigInt>,
    }
}

table! {
    login_names (name) {
        name -> Text,
        user_id -> Text,
        kind -> Text,
        verified_at -> Nullable<BigInt>,
    }
}

table! {
    credentials (id) {
        id -> Text,
        user_id -> Text,
        kind -> Text,
        secret -> Text,
        last_step -> BigInt,
        enrolled_at -> BigInt,
        lookup -> Nullable<Text>,
        label -> Nullable<Text>,
        detail -> Nullable<Text>,
        last_used_at -> Nullable<BigInt>,
        hashed_at -> BigInt,
    }
}

table! {
    ceremonies (id) {
        id -> Text,
        owner -> Text,
        purpose -> Text,
        state -> Text,
        expires_at -> BigInt,
    }
}

table! {
    recovery_codes (credential_id, code_hash) {
        credential_id -> Text,
        code_hash -> Text,
        spent_at -> Nullable<BigInt>,
    }
}

table! {
    remembered_accounts (browser_id, user_id) {
        browser_id -> Text,
        user_id -> Text,
        used_at -> BigInt,
    }
}

table! {
    clients (id) {
        id -> Text,
        version -> BigInt,
        metadata -> Text,
        secret_hash -> Nullable<Text>,
        resource -> Nullable<Text>,
        created_at -> BigInt,
        disabled_at -> Nullable<BigInt>,
    }
}

table! {
    browsers (id) {
        id -> Text,
        secret_hash -> Text,
        expires_at -> BigInt,
    }
}

table! {
    sessions (id) {
        id -> Text,
        browser_id -> Text,
        user_id -> Text,
        started_at -> BigInt,
        seen_at -> BigInt,
        expires_at -> BigInt,
        ended_at -> Nullable<BigInt>,
    }
}

table! {
    events (id) {
        id -> Text,
        session_id -> Text,
        method -> Text,
        at -> BigInt,
        interaction_id -> Text,
        credential_id -> Text,
        uv -> Bool,
        device_bound -> Bool,
        attested -> Bool,
        factor_enrolled_at -> BigInt,
        voided_at -> Nullable<BigInt>,
    }
}

table! {
    session_clients (session_id, client_id) {
        session_id -> Text,
        client_id -> Text,
        answered_at -> BigInt,
        paid_until -> BigInt,
    }
}

table! {
    interactions (id) {
        id -> Text,
        browser_id -> Text,
        source -> Nullable<Text>,
        need -> Text,
        then_kind -> Text,
        then_body -> Text,
        progress -> Text,
        step -> BigInt,
        asked_at -> BigInt,
        expires_at -> BigInt,
        finished_at -> Nullable<BigInt>,
        user_id -> Nullable<Text>,
        posted -> Bool,
    }
}

table! {
    grants (id) {
        id -> Text,
        code_hash -> Text,
        client_id -> Text,
        user_id -> Text,
        session_id -> Text,
        scope -> Text,
        request -> Text,
        assurance -> Text,
        granted_at -> BigInt,
        code_expires_at -> BigInt,
        redeemed_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        revoked_for -> Nullable<Text>,
        expires_at -> BigInt,
        offline -> Bool,
    }
}

table! {
    refresh_tokens (token_hash) {
        token_hash -> Text,
        grant_id -> Text,
        generation -> BigInt,
        issued_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
        paid_until -> BigInt,
    }
}

table! {
    revoked_tokens (jti) {
        jti -> Text,
        expires_at -> BigInt,
    }
}

table! {
    keys (id) {
        id -> Text,
        kind -> Text,
        recorded_at -> BigInt,
    }
}

table! {
    throttles (key) {
        key -> Text,
        failures -> BigInt,
        not_before -> BigInt,
        expires_at -> BigInt,
    }
}

table! {
    failed_sign_ins (about) {
        about -> Text,
        failures -> BigInt,
        last_at -> BigInt,
        told -> BigInt,
        told_last_at -> BigInt,
    }
}

table! {
    consents (user_id, client_id, scope) {
        user_id -> Text,
        client_id -> Text,
        scope -> Text,
        granted_at -> BigInt,
    }
}

table! {
    audit (id) {
        id -> Text,
        at -> BigInt,
        actor -> Text,
        what -> Text,
        outcome -> Text,
        user_id -> Nullable<Text>,
        client_id -> Nullable<Text>,
        session_id -> Nullable<Text>,
        source -> Nullable<Text>,
        acr -> Nullable<Text>,
        session_aal -> Nullable<Text>,
        account_aal -> Nullable<Text>,
        reason -> Nullable<Text>,
    }
}

table! {
    replays (key) {
        key -> Text,
        expires_at -> BigInt,
    }
}

table! {
    client_origins (client_id, origin) {
        client_id -> Text,
        origin -> Text,
    }
}

table! {
    recoveries (id) {
        id -> Text,
        user_id -> Text,
        lost_id -> Text,
        replacement -> Text,
        cancel_hash -> Text,
        delay -> BigInt,
        unsettled -> BigInt,
        told -> BigInt,
        due_at -> Nullable<BigInt>,
    }
}

table! {
    mails (id) {
        id -> Text,
        user_id -> Nullable<Text>,
        recipient -> Text,
        subject -> Text,
        body -> Text,
        created_at -> BigInt,
        tries -> BigInt,
        next_try_at -> BigInt,
        failed_at -> Nullable<BigInt>,
        recovery_id -> Nullable<Text>,
    }
}

table! {
    mail_codes (user_id) {
        user_id -> Text,
        interaction_id -> Text,
        mail -> BigInt,
    }
}

joinable!(login_names -> users (user_id));
joinable!(credentials -> users (user_id));
joinable!(recoveries -> users (user_id));
joinable!(remembered_accounts -> users (user_id));
joinable!(sessions -> browsers (browser_id));
joinable!(sessions -> users (user_id));
joinable!(events -> sessions (session_id));
joinable!(session_clients -> sessions (session_id));
joinable!(grants -> users (user_id));
joinable!(grants -> clients (client_id));
joinable!(client_origins -> clients (client_id));
joinable!(refresh_tokens -> grants (grant_id));

allow_tables_to_appear_in_same_query!(
    browsers,
    client_origins,
    clients,
    credentials,
    events,
    grants,
    interactions,
    login_names,
    recoveries,
    refresh_tokens,
    remembered_accounts,
    session_clients,
    sessions,
    users,
);
