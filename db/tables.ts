/**
 * The tables as Kysely knows them. Kept by hand; `tables.test.ts` holds them equal to the migrated database.
 * jsonb is `unknown` until the room that reads it has parsed it, and is written as JSON text.
 */
import type { ColumnType, Generated } from 'kysely';

export type Json = ColumnType<unknown, string, string>;
export type JsonOrNull = ColumnType<unknown, string | null | undefined, string | null>;
type JsonDefault = ColumnType<unknown, string | undefined, string>;
type OrNull<T> = ColumnType<T | null, T | null | undefined, T | null>;
type InstantOrNull = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
type Instant = ColumnType<Date, Date | string | undefined, Date | string>;

export type Tables = {
  workspace: {
    id: Generated<string>;
    name: string;
    created_at: Instant;
  };
  brand: {
    id: Generated<string>;
    workspace_id: Generated<string>;
    name: string;
    slug: string;
    kit: Json;
    time_zone: Generated<string>;
    created_at: Instant;
    removed_at: InstantOrNull;
  };
  member: {
    workspace_id: Generated<string>;
    user_id: string;
    role: string;
    brands: OrNull<string[]>;
    mail: Generated<boolean>;
    created_at: Instant;
  };
  asset: {
    workspace_id: Generated<string>;
    sha256: string;
    storage_key: string;
    kind: string;
    bytes: number;
    facts: Json;
    made_from: Generated<string[]>;
    attribution: OrNull<string>;
    is_internal: Generated<boolean>;
    created_at: Instant;
    touched_at: Instant;
    is_given: Generated<boolean>;
    names: OrNull<string[]>;
  };
  asset_sidecar: {
    workspace_id: Generated<string>;
    sha256: string;
    sidecar: string;
    name: string;
    created_at: Instant;
  };
  pipeline: {
    id: Generated<string>;
    workspace_id: Generated<string>;
    name: string;
    description: Generated<string>;
    draft: Json;
    revision: Generated<number>;
    published_version: OrNull<number>;
    created_at: Instant;
    updated_at: Instant;
    removed_at: InstantOrNull;
  };
  pipeline_operation: {
    workspace_id: Generated<string>;
    pipeline_id: string;
    revision: number;
    operations: Json;
    by_user: OrNull<string>;
    client_id: string;
    at: Instant;
  };
  pipeline_version: {
    workspace_id: Generated<string>;
    pipeline_id: string;
    number: number;
    graph: Json;
    pins: Json;
    by_user: OrNull<string>;
    note: OrNull<string>;
    published_at: Instant;
  };
  run: {
    id: Generated<string>;
    workspace_id: Generated<string>;
    number: number;
    pipeline_id: string;
    version: OrNull<number>;
    brand_id: string;
    state: Generated<string>;
    dry_run: Generated<boolean>;
    graph: Json;
    plan: Json;
    pins: Json;
    kit: Json;
    intent: Generated<string>;
    seed: Generated<number>;
    nonce: OrNull<string>;
    afresh: Generated<string[]>;
    started_by: OrNull<string>;
    started_at: Instant;
    restored_at: InstantOrNull;
    ended_at: InstantOrNull;
    open: Generated<number>;
    troubles: Generated<number>;
    trigger: JsonOrNull;
    started_how: OrNull<string>;
    priority: Generated<number>;
    gate: OrNull<string>;
    at_once: OrNull<number>;
    is_held: Generated<boolean>;
    pruned_at: InstantOrNull;
    estimate: JsonOrNull;
    put_aside_at: InstantOrNull;
    plan_key: OrNull<string>;
    parent_run: OrNull<string>;
    parent_node: OrNull<string>;
    parent_path: OrNull<number[]>;
  };
  worker: {
    id: string;
    lock_id: number;
    name: string;
    started_at: Instant;
    beat_at: Instant;
    facts: JsonDefault;
    tags: Generated<string[]>;
  };
  strand: {
    id: Generated<number>;
    workspace_id: Generated<string>;
    run_id: string;
    brand_id: string;
    priority: Generated<number>;
    node: string;
    prefix: number[];
    lo: OrNull<number>;
    hi: OrNull<number>;
    lane: string;
    state: Generated<string>;
    fair_at: Instant;
    not_before: ColumnType<Date | number, Date | string | undefined, Date | string>;
    worker: OrNull<string>;
    token: Generated<number>;
    attempts: Generated<number>;
    deaths: Generated<number>;
    reason: OrNull<string>;
    waits_for: OrNull<string>;
    progress: OrNull<number>;
    note: OrNull<string>;
    began_at: InstantOrNull;
    leased_at: InstantOrNull;
    allowed_at: InstantOrNull;
    created_at: Instant;
  };
  step: {
    workspace_id: Generated<string>;
    run_id: string;
    node: string;
    path: number[];
    state: string;
    attempt: Generated<number>;
    inputs: JsonDefault;
    outputs: JsonDefault;
    made: JsonDefault;
    error: JsonOrNull;
    cause: OrNull<string>;
    reason: OrNull<string>;
    facts: JsonDefault;
    reused_run: OrNull<string>;
    reused_number: OrNull<number>;
    began_at: InstantOrNull;
    ended_at: InstantOrNull;
  };
  counter: {
    workspace_id: Generated<string>;
    run_id: string;
    kind: string;
    node: string;
    path: number[];
    left: number;
    length: OrNull<number>;
  };
  reuse: {
    workspace_id: Generated<string>;
    key: string;
    state: string;
    run_id: string;
    run_number: number;
    brand_id: string;
    node: string;
    path: number[];
    strand: OrNull<number>;
    outputs: JsonOrNull;
    facts: JsonOrNull;
    ambient: JsonDefault;
    made_at: InstantOrNull;
    used_at: Instant;
  };
  /** Of the installation. */
  tally: {
    type: string;
    state: string;
    count: number;
    seconds: number;
    buckets: number[];
  };
  retention: {
    workspace_id: Generated<string>;
    run_days: OrNull<number>;
    runs_per_pipeline: OrNull<number>;
    swept_at: InstantOrNull;
    swept: JsonOrNull;
  };
  /** Of the installation. */
  asset_gone: {
    storage_key: string;
    at: Instant;
  };
  memo: {
    workspace_id: Generated<string>;
    key: string;
    reply: Json;
    made_at: Instant;
  };
  override: {
    id: Generated<string>;
    workspace_id: Generated<string>;
    pipeline_id: string;
    brand_id: string;
    node: string;
    path: number[];
    port: string;
    source_digest: string;
    value: Json;
    by_user: OrNull<string>;
    at: Instant;
  };
  wait: {
    id: Generated<string>;
    workspace_id: Generated<string>;
    run_id: string;
    node: string;
    path: number[];
    name: string;
    kind: string;
    state: Generated<string>;
    until: OrNull<Date>;
    request: Json;
    answer: OrNull<Json>;
    answered_by: OrNull<string>;
    created_at: Instant;
    answered_at: OrNull<Date>;
    taken: Generated<boolean>;
    notify_at: OrNull<Date>;
  };
  notice: {
    workspace_id: Generated<string>;
    id: Generated<string>;
    wait_id: string;
    user_id: string;
    kind: string;
    state: Generated<string>;
    mail: OrNull<string>;
    attempt: Generated<number>;
    next_at: Date;
    error: JsonOrNull;
    sent_at: InstantOrNull;
    created_at: Instant;
  };
  node_store: {
    workspace_id: Generated<string>;
    pipeline_id: string;
    brand_id: string;
    node: string;
    key: string;
    value: Json;
    at: Instant;
  };
  call: {
    workspace_id: Generated<string>;
    run_id: string;
    node: string;
    path: number[];
    key: string;
    request_digest: string;
    state: string;
    handle: OrNull<string>;
    reply: JsonOrNull;
    at: Instant;
  };
  effect: {
    workspace_id: Generated<string>;
    id: Generated<string>;
    key: string;
    brand_id: string;
    connection: OrNull<string>;
    run_id: string;
    node: string;
    path: number[];
    name: string;
    kind: string;
    request: Json;
    content_digest: string;
    state: Generated<string>;
    attempt: Generated<number>;
    token: OrNull<number>;
    send_by: InstantOrNull;
    handle: OrNull<string>;
    evidence: JsonOrNull;
    next_check_at: InstantOrNull;
    checks: Generated<number>;
    decided_by: OrNull<string>;
    decided_at: InstantOrNull;
    sent_at: InstantOrNull;
    created_at: Instant;
  };
  pipeline_trigger: {
    id: Generated<string>;
    workspace_id: Generated<string>;
    pipeline_id: string;
    brand_id: string;
    node: string;
    kind: string;
    is_on: Generated<boolean>;
    version: number;
    config: Json;
    path_sha256: OrNull<string>;
    path_sealed: OrNull<string>;
    secret_sealed: OrNull<string>;
    next_at: InstantOrNull;
    cursor: JsonDefault;
    held_by: OrNull<string>;
    held_until: InstantOrNull;
    problem: JsonOrNull;
    note: OrNull<string>;
    updated_at: Instant;
  };
  trigger_event: {
    id: Generated<string>;
    workspace_id: Generated<string>;
    trigger_id: string;
    key: string;
    run_id: OrNull<string>;
    body: ColumnType<Buffer | null, Uint8Array | null | undefined, Uint8Array | null>;
    accepted_at: Instant;
  };
  asset_arrival: {
    id: Generated<number>;
    workspace_id: Generated<string>;
    sha256: string;
    brand_id: OrNull<string>;
    by_user: OrNull<string>;
    at: Instant;
  };
  api_token: {
    workspace_id: Generated<string>;
    id: Generated<string>;
    name: string;
    sha256: string;
    role: string;
    user_id: string;
    created_at: Instant;
    last_used_at: InstantOrNull;
    revoked_at: InstantOrNull;
  };
  invitation: {
    workspace_id: Generated<string>;
    id: Generated<string>;
    sha256: string;
    email: string;
    role: string;
    brands: OrNull<string[]>;
    by_user: string;
    created_at: Instant;
    expires_at: ColumnType<Date, Date | string, Date | string>;
    accepted_at: InstantOrNull;
    revoked_at: InstantOrNull;
  };
  service_key: {
    workspace_id: Generated<string>;
    name: string;
    sealed: string;
    base_url: OrNull<string>;
    updated_at: Instant;
  };
  bucket: {
    workspace_id: OrNull<string>;
    connection: string;
    per_minute: OrNull<number>;
    full_at: Instant;
    used_at: Instant;
    held_until: Instant;
  };
  bucket_turn: {
    workspace_id: Generated<string>;
    run_id: string;
    connection: string;
    holder: string;
    at: Instant;
  };
  audit: {
    workspace_id: Generated<string>;
    number: number;
    at: Instant;
    by_user: OrNull<string>;
    act: string;
    about: Json;
    previous: string;
    digest: string;
  };
  errand: {
    workspace_id: Generated<string>;
    id: Generated<string>;
    kind: string;
    input: Json;
    state: Generated<string>;
    error: JsonOrNull;
    result: JsonOrNull;
    by_user: OrNull<string>;
    attempts: Generated<number>;
    touched_at: InstantOrNull;
    created_at: Instant;
    ended_at: InstantOrNull;
  };
  asset_wave: {
    workspace_id: Generated<string>;
    sha256: string;
    peaks: number[];
  };
  node_type: {
    id: string;
    version: string;
    digest: string;
    behaviour: string;
    manifest: Json;
    seen_at: Instant;
  };
  chore: {
    id: Generated<string>;
    kind: string;
    input: Json;
    state: Generated<string>;
    progress: JsonDefault;
    error: JsonOrNull;
    touched_at: Instant;
    created_at: Instant;
  };
  showcase_page: {
    workspace_id: Generated<string>;
    brand_id: string;
    id: Generated<string>;
    key: string;
    slug: string;
    state: Generated<string>;
    visibility: Generated<string>;
    title: string;
    content: Json;
    assets: Generated<string[]>;
    published_at: Instant;
    updated_at: Instant;
  };
  upload: {
    workspace_id: Generated<string>;
    id: string;
    user_id: string;
    name: string;
    bytes: number;
    asset: OrNull<string>;
    created_at: Instant;
  };
  plugin_package: {
    workspace_id: Generated<string>;
    digest: string;
    name: string;
    version: string;
    source: Json;
    file: string;
    state: Generated<string>;
    error: JsonOrNull;
    by_user: OrNull<string>;
    created_at: Instant;
  };
  plugin_type: {
    workspace_id: Generated<string>;
    digest: string;
    type: string;
    version: string;
    behaviour: string;
    place: number;
    manifest: Json;
  };
  plugin: {
    workspace_id: Generated<string>;
    name: string;
    digest: string;
    previous: OrNull<string>;
    state: Generated<string>;
    note: OrNull<string>;
    is_dev: Generated<boolean>;
    revision: Generated<string>;
    by_user: OrNull<string>;
    installed_at: Instant;
    changed_at: Instant;
  };
  plugin_grant: {
    workspace_id: Generated<string>;
    plugin: string;
    right_id: string;
    granted_by: OrNull<string>;
    granted_at: Instant;
    revoked_by: OrNull<string>;
    revoked_at: InstantOrNull;
  };
  plugin_carry: {
    workspace_id: Generated<string>;
    digest: string;
    pipeline_id: string;
    revision: number;
    operations: Json;
    inverse: Json;
    review: Json;
    done_revision: OrNull<number>;
  };
  plugin_trial: {
    workspace_id: Generated<string>;
    id: Generated<string>;
    plugin: string;
    run_id: string;
    type: string;
    step: string;
    entry: string;
    attempt: number;
    items: number;
    began_at: Instant;
    ms: number;
    cpu_ms: OrNull<number>;
    heap_bytes: OrNull<string>;
    error: JsonOrNull;
    said: Json;
  };
  plugin_registry: {
    workspace_id: Generated<string>;
    url: string;
    sealed: OrNull<string>;
    updated_at: Instant;
  };
  plugin_use: {
    workspace_id: Generated<string>;
    plugin: string;
    day: string;
    right_id: string;
    calls: Generated<string>;
    refused: Generated<string>;
    sent_bytes: Generated<string>;
    received_bytes: Generated<string>;
  };
};
