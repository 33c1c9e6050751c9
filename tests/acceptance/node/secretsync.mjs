// Makes clients of a secretsync server from its protos: methods that return promises, and errors
// that carry the google.rpc details.

import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const options = { keepCase: false, longs: String, enums: String, defaults: true, oneofs: true };
const services = {
  projects: ["ProjectService", "project_service"],
  secrets: ["SecretService", "secret_service"],
  connections: ["ConnectionService", "connection_service"],
  syncs: ["SecretSyncService", "secret_sync_service"],
};
const rpc = protoLoader.loadSync(fileURLToPath(new URL("google_rpc.proto", import.meta.url)), options);

/**
 * Connects to a server.
 * @param address HOST:PORT
 * @param protos the directory that holds secretsync/v1/*.proto
 * @returns {projects, secrets, connections, syncs, close()}; each method takes a request and,
 *   optionally, {seconds: how long it may take (default 30), signal: an AbortSignal that cancels it};
 *   those that stream take a request, and return what `for await` reads the messages from
 */
export function connect(address, protos) {
  const files = Object.values(services).map(([, file]) => `secretsync/v1/${file}.proto`);
  const loaded = grpc.loadPackageDefinition(
    protoLoader.loadSync(files, { ...options, includeDirs: [protos] }),
  );
  const clients = {};
  const stubs = [];
  for (const [name, [service]] of Object.entries(services)) {
    const stub = new loaded.secretsync.v1[service](address, grpc.credentials.createInsecure());
    const methods = Object.values(stub.constructor.service).map(({ originalName, responseStream }) => [
      originalName,
      responseStream
        ? (request) => stub[originalName](request)
        : (request, how) => call(stub, originalName, request, how),
    ]);
    clients[name] = Object.fromEntries(methods);
    stubs.push(stub);
  }
  return { ...clients, close: () => stubs.forEach((stub) => stub.close()) };
}

function call(stub, method, request, { seconds = 30, signal } = {}) {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + seconds * 1000;
    const underWay = stub[method](request, { deadline }, (error, answer) =>
      error ? reject(withDetails(error)) : resolve(answer),
    );
    signal?.addEventListener("abort", () => underWay.cancel());
  });
}

/** Adds status (e.g. "NOT_FOUND"), and the server's reason, violations and retryDelay if any. */
function withDetails(error) {
  error.status = grpc.status[error.code];
  const [encoded] = error.metadata.get("grpc-status-details-bin");
  if (!encoded) return error;
  for (const { type_url: type, value } of rpc["google.rpc.Status"].deserialize(encoded).details) {
    const detail = rpc[type.split("/").pop()]?.deserialize(value);
    if (type.endsWith("ErrorInfo")) Object.assign(error, detail);
    if (type.endsWith("BadRequest")) error.violations = detail.fieldViolations;
    if (type.endsWith("RetryInfo")) error.retryDelay = detail.retryDelay;
  }
  return error;
}

/** Returns an object as a google.protobuf.Struct. */
export function struct(object) {
  const fields = Object.entries(object).map(([name, value]) => [name, toValue(value)]);
  return { fields: Object.fromEntries(fields) };
}

function toValue(value) {
  if (value === null) return { nullValue: "NULL_VALUE" };
  if (Array.isArray(value)) return { listValue: { values: value.map(toValue) } };
  if (typeof value === "object") return { structValue: struct(value) };
  return { [`${typeof value}Value`.replace("boolean", "bool")]: value };
}
