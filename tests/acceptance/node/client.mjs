// Syncs secrets to Octopus Deploy from Node.js, and prints what was done as JSON:
//
//   npm ci
//   OCTOPUS_API_KEY=API-... node client.mjs 127.0.0.1:8470 ../../../protos \
//     http://127.0.0.1:8065 Spaces-1 Projects-1 Environments-1

import { connect, struct } from "./secretsync.mjs";

const [address, protos, instanceUrl, spaceId, projectId, environmentId] = process.argv.slice(2);
const secretsync = connect(address, protos);

const project = await secretsync.projects.createProject({ projectId: "shop" });
const environment = await secretsync.projects.createEnvironment({
  parent: project.name,
  environmentId: "dev",
});
await secretsync.secrets.setSecrets({
  parent: environment.name,
  path: "/web",
  secrets: [
    { key: "GREETING", value: "Grüße, 你好, שלום, 🔑" },
    { key: "TLS_KEY", value: "-----BEGIN KEY-----\nMIIB\r\n\t'\"#{x}\n-----END KEY-----\n" },
    { key: "EMPTY", value: "", comment: "empty on purpose" },
  ],
});

// The server proves the API key before it keeps the connection.
const connection = await secretsync.connections.createConnection({
  parent: project.name,
  connectionId: "octopus",
  connection: {
    destination: "destinations/octopus-deploy",
    method: "api-key",
    credentials: struct({ instanceUrl, apiKey: process.env.OCTOPUS_API_KEY }),
  },
});
const spaces = await secretsync.connections.listConnectionOptions({
  name: connection.name,
  optionList: "spaces",
});

const sync = await secretsync.syncs.createSecretSync({
  parent: project.name,
  secretSyncId: "dev",
  secretSync: {
    connection: connection.name,
    source: { environment: environment.name, secretPath: "/web" },
    destinationConfig: struct({
      spaceId,
      scope: "project",
      projectId,
      scopeValues: { environments: [environmentId] },
    }),
    syncOptions: { keySchema: "Web:{{secretKey}}" },
  },
});
const first = await ended(sync.syncStatus.lastRun);

// A change at the source queues a run, and names it.
const change = await secretsync.secrets.setSecrets({
  parent: environment.name,
  path: "/web",
  secrets: [{ key: "GREETING", value: "Servus" }],
});
const second = await ended(change.runs[0]);

// An error says what is wrong in a way that programs can use.
const refused = await secretsync.secrets
  .setSecrets({
    parent: environment.name,
    path: "web",
    secrets: [{ key: "A/B", value: "1" }, { key: "", value: "2" }],
  })
  .catch((error) => error);
const missing = await secretsync.projects
  .getProject({ name: "projects/nowhere" })
  .catch((error) => error);

const summary = {
  connection,
  spaces: spaces.options,
  sync,
  first,
  second,
  refused: described(refused),
  missing: described(missing),
};
console.log(JSON.stringify(summary, null, 2));
secretsync.close();

/** Returns a run once it has ended. */
async function ended(name) {
  const parent = name.split("/runs/")[0];
  const messages = secretsync.syncs.watchSecretSyncs({ parent });
  messages.on("error", () => {}); // cancelling it is one
  try {
    for await (const { cursor, change, syncRun } of messages) {
      if (!cursor) throw new Error("a message without a cursor");
      // Once the present state has been told, no change can be missed any more.
      if (change !== "SYNC_CHANGE_SYNCED" && syncRun?.name !== name) continue;
      const run = await secretsync.syncs.getSyncRun({ name });
      if (["RUN_STATE_SUCCEEDED", "RUN_STATE_FAILED"].includes(run.state)) return run;
    }
  } finally {
    messages.cancel();
  }
}

function described({ status, details, reason, domain, metadata, violations }) {
  return { status, message: details, reason, domain, metadata, violations };
}
