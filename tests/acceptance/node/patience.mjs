// Shows what becomes of calls whose caller does not wait, and prints it as JSON. The test makes
// Octopus slow at the right moments. Arguments as for client.mjs.

import { connect, struct } from "./secretsync.mjs";

const [address, protos, instanceUrl, spaceId, projectId, environmentId] = process.argv.slice(2);
const secretsync = connect(address, protos);
const parent = "projects/shop";
const environment = `${parent}/environments/dev`;
const name = `${parent}/secretSyncs/dev`;
const connection = {
  parent,
  connectionId: "octopus",
  connection: {
    destination: "destinations/octopus-deploy",
    method: "api-key",
    credentials: struct({ instanceUrl, apiKey: process.env.OCTOPUS_API_KEY }),
  },
};

await secretsync.projects.createProject({ projectId: "shop" });
await secretsync.projects.createEnvironment({ parent, environmentId: "dev" });
await secretsync.secrets.setSecrets({
  parent: environment,
  secrets: [{ key: "GREETING", value: "Servus" }],
});

const outOfTime = await timed(secretsync.connections.createConnection(connection, { seconds: 3 }));
const canceller = new AbortController();
setTimeout(() => canceller.abort(), 3000);
const { signal } = canceller;
const cancelled = await timed(secretsync.connections.createConnection(connection, { signal }));
const left = await secretsync.connections.listConnections({ parent });

await secretsync.connections.createConnection(connection);
const sync = await secretsync.syncs.createSecretSync({
  parent,
  secretSyncId: "dev",
  secretSync: {
    connection: `${parent}/connections/octopus`,
    source: { environment },
    destinationConfig: struct({
      spaceId,
      scope: "project",
      projectId,
      scopeValues: { environments: [environmentId] },
    }),
  },
});
await until(async () => {
  const run = await secretsync.syncs.getSyncRun({ name: sync.syncStatus.lastRun });
  return run.state === "RUN_STATE_SUCCEEDED";
});
const removal = await timed(
  secretsync.syncs.deleteSecretSync({ name, removeSecrets: true }, { seconds: 3 }),
);
// The removal goes on without the caller, and then the sync is gone.
await until(async () => {
  const { secretSyncs } = await secretsync.syncs.listSecretSyncs({ parent });
  return secretSyncs.length === 0;
});

console.log(JSON.stringify({ outOfTime, cancelled, left: left.connections, removal }, null, 2));
secretsync.close();

async function timed(call) {
  const begun = Date.now();
  const error = await call.then(() => ({ status: "OK" }), (failure) => failure);
  return { status: error.status, seconds: (Date.now() - begun) / 1000 };
}

async function until(check) {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("not within a minute");
}
